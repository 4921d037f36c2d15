//! The implementation of `Bucket`, with the definition: the schema as data, and the functions that carry it out.
//!
//! The definition is a constant of an inline function, not a static: so the indexes, which are most of what it leads to, are compiled in the
//! crates that have a store of the bucket, and not in one that only declares it.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::schema::number;
use super::{Names, allow, at_type, checks, draft, getter, reads, schema, site};
use crate::model::{Bucket, Field, IndexPlan};

/// `const _: () = { impl Bucket for User { … } };`
pub(super) fn expand(names: &Names<'_>, bucket: &Bucket) -> TokenStream {
    let Names { record, root, private, bound, reads, .. } = names;
    let allow = allow();
    let name = &bucket.name;
    let version = (bucket.version > 1).then(|| {
        let version = proc_macro2::Literal::u32_unsuffixed(bucket.version);
        quote_spanned!(site()=> const VERSION: u32 = #version;)
    });
    let Some(key) = bucket.fields.get(bucket.key) else { return TokenStream::new() };
    let (key_type, key_name) = (&key.inner, &key.ident);
    let (key_type, read_key, definition, assert_record) = if bucket.sound {
        let span = site().located_at(record.span());
        let private = names.private_at(span);
        (
            quote!(#key_type),
            quote_spanned!(site()=> &self.#key_name),
            definition(names, bucket),
            Some(quote_spanned!(span=> const _: fn() = || #private::assert_record::<#record>();)),
        )
    } else {
        let stub = quote_spanned!(site()=> #private::stub());
        let key_type = if key.could_be_key() { quote!(#key_type) } else { quote_spanned!(site()=> ()) };
        (key_type, stub.clone(), stub, None)
    };
    quote_spanned! {site()=>
        #allow
        const _: () = {
            #[automatically_derived]
            impl #root::Bucket for #record #bound {
                type Key = #key_type;
                type Reads = #reads;
                const NAME: &'static str = #name;
                #version

                #[inline]
                fn key(&self) -> &#key_type {
                    #read_key
                }

                #[inline]
                fn definition() -> &'static #private::Definition<Self> {
                    #definition
                }
            }

            #assert_record
        };
    }
}

fn definition(names: &Names<'_>, bucket: &Bucket) -> TokenStream {
    let Names { record, private, .. } = names;
    let schema = schema::expand(names, bucket);
    let checks = checks::expand(names, bucket);
    let ordered = |field: &Field| !field.shape.has_no_total_order();
    let unique = |(at, field): (usize, &Field)| {
        let (number, get, span) = (number(at), getter(names, field), at_type(field));
        let private = names.private_at(span);
        // The types are left to inference: with them, a missing bound would read as a missing function.
        quote_spanned!(span=> &#private::Unique::new(#number, #get))
    };
    let uniques = bucket.uniques().filter(|(_, field)| ordered(field)).map(unique);
    let together = bucket.together.iter().map(|together| {
        let fields = bucket.fields_of(together);
        let numbers = fields.iter().map(|(at, _)| number(*at));
        let parts = fields.iter().copied().map(unique);
        quote_spanned! {site()=>
            &#private::UniqueTogether { fields: &[#(#numbers),*], parts: &[#(#parts),*] }
        }
    });
    let uniques = uniques.chain(together);
    let indexes = bucket.indexes();
    // Those of floating-point numbers are reported.
    let indexes = indexes.iter().filter(|plan| plan.fields.iter().all(|(_, field)| ordered(field)));
    let indexes = indexes.map(|plan| index(names, plan));
    let counters = bucket.counters().map(|(at, field)| {
        let (number, ident, inner) = (number(at), &field.ident, &field.inner);
        let (read, write) = if field.optional {
            let read = quote_spanned! {site()=>
                ::core::option::Option::and_then(
                    ::core::option::Option::as_ref(&it.#ident),
                    <#inner as #private::AutoIncrement>::to_u64,
                )
            };
            let put =
                quote_spanned!(site()=> <#inner as #private::AutoIncrement>::put_some(number, &mut it.#ident));
            (read, put)
        } else {
            let private = names.private_at(at_type(field));
            let read =
                quote_spanned!(at_type(field)=> <#inner as #private::AutoIncrement>::to_u64(&it.#ident));
            let put = quote_spanned! {at_type(field)=>
                <#inner as #private::AutoIncrement>::put(number, &mut it.#ident)
            };
            (read, put)
        };
        quote_spanned! {site()=>
            #private::Counter::new(#number, |it: &#record| #read, |it: &mut #record, number| #write)
        }
    });
    let defaults = bucket.fields.iter().enumerate().filter_map(|(at, field)| {
        let (number, default) = (number(at), draft::kept_default(names, field)?);
        Some(quote_spanned! {site()=>
            #private::KeptDefault::new(#number, || #private::json(&#default))
        })
    });
    let option = super::option();
    let previous = match &bucket.migrate {
        Some(given) => {
            let (earlier, span) = (&given.value, site().located_at(given.value.span()));
            let private = names.private_at(span);
            quote_spanned!(span=> #option::Some(#private::Previous::of::<#earlier>()))
        }
        None => quote_spanned!(site()=> #option::None),
    };
    quote_spanned! {site()=>
        const DEFINITION: #private::Definition<#record> = #private::Definition {
            schema: #schema,
            checks: &[#(#checks),*],
            uniques: &[#(#uniques),*],
            indexes: &[#(#indexes),*],
            counters: &[#(#counters),*],
            defaults: &[#(#defaults),*],
            previous: #previous,
        };
        &DEFINITION
    }
}

/// The function that makes an empty index.
fn index(names: &Names<'_>, plan: &IndexPlan<'_>) -> TokenStream {
    let mut parts = plan.fields.iter().map(|(_, field)| part(names, field, plan.each));
    // An index of elements has one part by its nature; one of values has a tuple of them.
    let span = site().located_at(plan.at);
    let private = names.private_at(span);
    let parts = match plan.each {
        true => parts.next().unwrap_or_default(),
        false => quote_spanned!(span=> (#(#parts,)*)),
    };
    quote_spanned! {span=>
        || {
            #[allow(unused_imports)]
            use #private::CodecOfPlain as _;
            #private::index(#parts)
        }
    }
}

fn part(names: &Names<'_>, field: &Field, each: bool) -> TokenStream {
    let record = names.record;
    let (ident, span) = (&field.ident, at_type(field));
    let private = &names.private_at(span);
    let asked = reads::asked(names, field, each);
    let codec = quote_spanned!(span=> #private::Probe::<#asked>::new().codec());
    if !each {
        let get = getter(names, field);
        return match field.optional {
            true => quote_spanned!(span=> #private::optional(#get, #codec)),
            false => quote_spanned!(span=> #private::required(#get, #codec)),
        };
    }
    let visit = if field.optional {
        quote_spanned! {span=>
            if let ::core::option::Option::Some(items) = &it.#ident {
                #private::Collection::visit(items, visit);
            }
        }
    } else {
        quote_spanned!(span=> #private::Collection::visit(&it.#ident, visit);)
    };
    quote_spanned! {span=>
        #private::each(|it: &#record, visit| { #visit }, #codec)
    }
}
