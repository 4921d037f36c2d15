//! The read surface: the reader, and a method for each index.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;

use super::{Names, allow, at_type, narrowest, option, site};
use crate::model::{Bucket, Compound, Field, IndexPlan};
use crate::types::Shape;

/// The type of what an index is asked for: the field's, or that of its elements.
pub(super) fn asked(names: &Names<'_>, field: &Field, each: bool) -> TokenStream {
    let (private, inner) = (names.private_at(at_type(field)), &field.inner);
    if each {
        quote_spanned!(at_type(field)=> <#inner as #private::Collection>::Item)
    } else {
        quote!(#inner)
    }
}

/// The parameter named after a field.
fn parameter(field: &Field) -> Ident {
    let mut ident = field.ident.clone();
    ident.set_span(Span::mixed_site().located_at(ident.span()));
    ident
}

/// The reader's type and its methods.
pub(super) fn expand(names: &Names<'_>, bucket: &Bucket) -> TokenStream {
    let Names { record, shown, root, bound, reads, .. } = names;
    let (vis, allow) = (&bucket.vis, allow());
    let uniques =
        bucket.uniques().enumerate().filter_map(|(number, (_, field))| unique(names, number, field));
    let first = bucket.uniques().count();
    let together = (first..).zip(&bucket.together);
    let together = together.filter_map(|(number, together)| unique_together(names, number, bucket, together));
    let uniques = uniques.chain(together);
    let indexes = bucket.indexes();
    let indexes = indexes.iter().enumerate().filter_map(|(number, index)| match index.fields.as_slice() {
        [(_, field)] => single(names, number, index, field),
        fields => compound(names, number, index, fields),
    });
    let methods: Vec<TokenStream> = uniques.chain(indexes).chain(without_index(names, bucket)).collect();
    let methods = (!methods.is_empty()).then(|| {
        quote_spanned! {site()=>
            #[automatically_derived]
            #allow
            impl #reads #bound {
                #(#methods)*
            }
        }
    });
    let doc =
        format!("What can be asked of the bucket of [`{shown}`]: all that a reader can, and each index.");
    quote_spanned! {site()=>
        #[doc = #doc]
        #allow
        #vis struct #reads(#root::Reader<#record>) #bound;

        #methods

        #[automatically_derived]
        impl ::core::ops::Deref for #reads #bound {
            type Target = #root::Reader<#record>;

            #[inline]
            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        #[automatically_derived]
        impl ::core::convert::From<#root::Reader<#record>> for #reads #bound {
            #[inline]
            fn from(reader: #root::Reader<#record>) -> Self {
                Self(reader)
            }
        }

        #[automatically_derived]
        impl ::core::clone::Clone for #reads #bound {
            #[inline]
            fn clone(&self) -> Self {
                Self(::core::clone::Clone::clone(&self.0))
            }
        }
    }
}

/// For each field without an index, a method that says, when it is called, that there is none.
fn without_index(names: &Names<'_>, bucket: &Bucket) -> Vec<TokenStream> {
    let Names { record, root, .. } = names;
    let compounds = bucket.compounds.iter().chain(&bucket.together);
    let taken: Vec<String> =
        compounds.filter_map(|index| Some(index.accessor.as_ref()?.to_string())).collect();
    let fields = bucket.fields.iter().enumerate().filter(|(_, field)| field.accessor.is_none());
    fields
        .filter(|(_, field)| field.token.is_some() && !taken.contains(&format!("by_{}", field.name)))
        .map(|(at, field)| {
            let span = field.ident.span();
            let private = names.private_at(span);
            let (vis, accessor) = (&field.vis, format_ident!("by_{}", field.name, span = site().located_at(span)));
            let lacks = if at == bucket.key { quote!(ReadByKey) } else { quote!(ReadByIndex) };
            // As if the user had written it at the field, which is then shown as the place of the condition.
            let condition = quote_spanned!(span=> #private::#lacks);
            quote_spanned! {site()=>
                #[doc(hidden)]
                #vis fn #accessor(&self, _: impl ::core::marker::Sized) -> ::std::vec::Vec<#root::Record<#record>>
                where
                    for<'any> Self: #condition,
                {
                    ::std::vec::Vec::new()
                }
            }
        })
        .collect()
}

fn unique(names: &Names<'_>, number: usize, field: &Field) -> Option<TokenStream> {
    let Names { record, root, private, .. } = names;
    let (accessor, token) = (field.accessor.as_ref()?, field.token.as_ref()?);
    let (vis, inner, option) = (&field.vis, &field.inner, option());
    let parameter = parameter(field);
    let doc = format!("The record with this `{}`, which is unique.", field.name);
    Some(quote_spanned! {site()=>
        #[doc = #doc]
        #vis fn #accessor(
            &self,
            #parameter: &(impl #private::UniqueKey<#inner> + ?::core::marker::Sized),
        ) -> #option<#root::Record<#record>> {
            #private::by_unique(&self.0, #number, #record::#token, #parameter)
        }
    })
}

fn unique_together(
    names: &Names<'_>,
    number: usize,
    bucket: &Bucket,
    together: &Compound,
) -> Option<TokenStream> {
    let Names { record, root, private, .. } = names;
    let (accessor, fields) = (together.accessor.as_ref()?, bucket.fields_of(together));
    let (vis, option) = (narrowest(fields.iter().map(|(_, field)| &field.vis)), option());
    let parameters: Vec<Ident> = fields.iter().map(|(_, field)| parameter(field)).collect();
    let types: Vec<_> = fields.iter().map(|(_, field)| &field.inner).collect();
    let tokens = fields.iter().map(|(_, field)| field.token.as_ref()).collect::<Option<Vec<_>>>()?;
    let listed = crate::names::listed(fields.iter().map(|(_, field)| field.name.as_str()));
    let doc = format!("The record with this {listed}, which are unique together.");
    Some(quote_spanned! {site()=>
        #[doc = #doc]
        #vis fn #accessor(
            &self,
            #(#parameters: &(impl #private::UniqueKey<#types> + ?::core::marker::Sized)),*
        ) -> #option<#root::Record<#record>> {
            #private::by_unique_together(
                &self.0,
                #number,
                &[#(&#private::sought(#record::#tokens, #parameters)),*],
            )
        }
    })
}

fn single(names: &Names<'_>, number: usize, index: &IndexPlan<'_>, field: &Field) -> Option<TokenStream> {
    let Names { record, root, .. } = names;
    let span = at_type(field);
    let (private, accessor, vis) = (names.private_at(span), index.accessor?, &field.vis);
    let (asked, parameter) = (asked(names, field, index.each), parameter(field));
    // The definition reports what is no collection; the condition keeps the method from doing so too.
    let condition = (index.each && field.shape == Shape::Unknown).then(|| {
        let inner = &field.inner;
        quote_spanned!(span=> where for<'any> #inner: #private::Collection)
    });
    let doc = if index.each {
        format!("The records that have this among their `{}`.", field.name)
    } else {
        format!("The records with this `{}`.", field.name)
    };
    Some(quote_spanned! {span=>
        #[doc = #doc]
        #vis fn #accessor(
            &self,
            #parameter: &(impl #private::IndexValue<#asked> + ?::core::marker::Sized),
        ) -> ::std::vec::Vec<#root::Record<#record>>
        #condition
        {
            #private::by_index(&self.0, #number, &[&#private::IndexValue::<#asked>::to_value(#parameter)])
        }
    })
}

fn compound(
    names: &Names<'_>,
    number: usize,
    index: &IndexPlan<'_>,
    fields: &[(usize, &Field)],
) -> Option<TokenStream> {
    let Names { record, root, private, .. } = names;
    let accessor = index.accessor?;
    let vis = narrowest(fields.iter().map(|(_, field)| &field.vis));
    let ((_, last), equal) = fields.split_last()?;
    let equal_names: Vec<Ident> = equal.iter().map(|(_, field)| parameter(field)).collect();
    let equal_types: Vec<_> = equal.iter().map(|(_, field)| &field.inner).collect();
    let (last_name, last_type) = (parameter(last), &last.inner);
    let listed = crate::names::listed(equal.iter().map(|(_, field)| field.name.as_str()));
    let doc = format!(
        "The records with this {listed} and a `{}` in the range, in the order of the latter.",
        last.name
    );
    Some(quote_spanned! {site()=>
        #[doc = #doc]
        #vis fn #accessor(
            &self,
            #(#equal_names: &(impl #private::IndexValue<#equal_types> + ?::core::marker::Sized),)*
            #last_name: impl #root::IntoRange<#last_type>,
        ) -> ::std::vec::Vec<#root::Record<#record>> {
            #private::by_compound(
                &self.0,
                #number,
                &[#(&#private::IndexValue::<#equal_types>::to_value(#equal_names)),*],
                #root::IntoRange::<#last_type>::into_range(#last_name),
            )
        }
    })
}
