//! The derive macro of noex-store. Use it through `noex_store`, which exports it.

mod check;
mod ctxt;
mod expand;
mod model;
mod names;
mod parse;
mod serde_names;
mod source;
mod types;

#[cfg(test)]
mod tests;

use ctxt::Ctxt;
use parse::Parsed;
use proc_macro2::TokenStream;
use syn::DeriveInput;

/// Makes a struct a bucket of a store: `#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]`.
///
/// The struct has named fields, no generics and no lifetimes; it is `Clone`, `Serialize`, `Deserialize`, `Send` and `Sync`.
/// One field is the key. All else is said by annotations, `#[bucket(…)]`, several in one attribute or in several. What is
/// wrong in them is a compile error at the word that is wrong, and all errors of a struct come at once.
///
/// ```ignore
/// use noex_store::prelude::*;
///
/// #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
/// #[bucket(name = "users", index(role, age))]
/// pub struct User {
///     #[bucket(key, generated = "uuid")]
///     pub id: Uuid,
///     #[bucket(min_length = 1, max_length = 200)]
///     pub name: String,
///     #[bucket(unique, format = "email")]
///     pub email: String,
///     #[bucket(index, default = Role::User)]
///     pub role: Role,
///     #[bucket(min = 0, max = 150)]
///     pub age: Option<u8>,
///     #[bucket(index(each), default)]
///     pub tags: Vec<String>,
/// }
/// ```
///
/// # What is generated
///
/// Each item is as visible as what it stands for: the struct, or the field.
///
/// | For `User` | |
/// | --- | --- |
/// | `User::AGE`, a constant for each field | Its token, of type `Field<User, u8, Optional>`: what filters, orders and aggregates are built from. Named after the field, in `SCREAMING_SNAKE_CASE`. |
/// | `User::draft()` | Starts a `UserDraft`, with a setter for each field. Inserting it compiles when all required fields are set, in whatever order. |
/// | `User::patch()` | Starts a `UserPatch`, a set of changes, with a setter for each field but the key. |
/// | `.maybe_age(value)` | On the draft, for each `Option` field: takes an `Option`, and sets the field if there is a value. |
/// | `.clear_age()` | On both, for each `Option` field: leaves it empty in a draft, even if it has a default; empties it in a patch. |
/// | `UserReads` | What a handle and a snapshot of the bucket deref to: all that a reader can, and these: |
/// | `.by_email(&email)` | For each `unique` field: the record with this value, `Option<Record<User>>`. |
/// | `.by_role(&role)` | For each `index`: the records with this value, `Vec<Record<User>>`, in the order of insertion. |
/// | `.by_tags("vip")` | For each `index(each)`: the records that have this among their elements. |
/// | `.by_role_and_age(&role, 18..)` | For each compound index: equal values of all fields but the last, and a range of the last, in whose order the records come. |
/// | `.by_team_and_email(&team, "a@b.c")` | For each `unique(team, email)`: the record with these values, `Option<Record<User>>`. |
/// | `User::schema()` | What the annotations say, as data. |
///
/// Setters take the field's own type; a `String` anything that is text; a `Vec` an array or a slice too; an `Option` field
/// the value without `Some`. The key has no accessor: `get` reads by it. The struct's module must not have other items named
/// `UserDraft`, `UserDraftRest`, `UserPatch`, `UserReads` or `user_draft_needs`; methods of your own on `UserReads` must not
/// be named `by_` and a field.
///
/// A field is **required** unless it is an `Option`, has a `default`, or is `generated`.
///
/// # Annotations of fields
///
/// | Annotation | Meaning | On |
/// | --- | --- | --- |
/// | `key` | Identifies a record: unique, and the same for ever. Each bucket has one. | what is `Clone + Debug + Eq + Ord + Hash + Serialize + Deserialize`; no `Option`, no float |
/// | `generated = "…"` | Made when a draft does not give it: see [below](#generated-fields). | as there |
/// | `default` | The type's own default, when a draft does not give the field. | `Default` |
/// | `default = expression` | This value; any expression of the field's type. Text may stand for a `String`, an array for a `Vec`, a value for its `Option`. Worked out anew for each draft. | any |
/// | `unique` | No two records may have the same value. `None` collides with nothing. | `Eq + Hash + Debug` |
/// | `index` | An ordered index. | `Ord + Clone`; no float |
/// | `index(each)` | An ordered index with an entry for each element: what `contains` uses. | `Vec`, `VecDeque`, `BTreeSet`, `HashSet`, `Box<[T]>`, arrays; `Option` of them |
/// | `min = value`, `max = value` | Bounds, both inclusive. | `PartialOrd + Debug`; not text or collections |
/// | `min_length = n`, `max_length = n` | Bounds for the number of characters, or of items. | text, collections, maps |
/// | `pattern = "regex"` | Must match somewhere: anchor it, `^…$`, for the whole text. The syntax of the crate `regex`, without look-around; compiled with the program. | text, collections of text |
/// | `format = "…"` | `email`: RFC 5321, with a dot in the domain; `url`: absolute, `http` or `https`; `iso-date`: an ISO 8601 date, or a date and time as in RFC 3339. | text, collections of text |
/// | `one_of = [a, b]` | Must be one of these, each text of a collection if they are texts. | `PartialEq + Debug` |
/// | `validate = path` | A check of your own: `fn(&T) -> Result<(), impl Display>`. What is kept is checked again at each start, so what it says of a value must not change with time. | any |
/// | `references = Bucket` | Holds a key of the other bucket: checked by the compiler, not at run time. | the type of that key |
/// | `allow_non_finite` | Allows NaN and the infinities, which are refused otherwise. They are kept, as text in the JSON. | `f32`, `f64`, collections of them |
/// | `rename_from = "mail"` | The stored name that the field had before: what was kept by it is this field's. | any |
///
/// On an `Option` field all of them speak of the value inside, and a `None` passes every rule. A default that is a literal is
/// checked against the field's other rules by the compiler; any other is checked with each record, as given values are.
///
/// ```ignore
/// #[bucket(pattern = "^[A-Z]{2}$", one_of = ["CZ", "DE"], default = "CZ")]
/// country: String,
/// #[bucket(min = Money::ZERO, default = Money::from_cents(500), validate = whole_cents)]
/// price: Money,
/// ```
///
/// ## Generated fields
///
/// | Kind | Value | Types |
/// | --- | --- | --- |
/// | `uuid` | A UUID of version 7 (RFC 9562): random, and ordered by time. | `Uuid`, `String` |
/// | `cuid` | A CUID2. | `String` |
/// | `autoincrement` | The next number of the bucket, from 1. A number that is given moves it on. | all integers |
/// | `timestamp` | The current time in milliseconds since 1970-01-01 UTC. | `u64`, `i64`, `u128`, `i128`, `f64`, `SystemTime` |
///
/// Each in an `Option` too. A given value is always taken instead.
///
/// # Annotations of the struct
///
/// | Annotation | Meaning |
/// | --- | --- |
/// | `name = "users"` | The bucket's name: 1 to 64 ASCII letters, digits, `_` and `-`. Without it, the struct's name in `snake_case`, as it is: `OrderLine` is `order_line`. |
/// | `index(a, b)` | An ordered index over two to six fields, of types that can be in an `index`. May be given again for other fields, or another order of them; two that share a field are a mistake to clippy's `duplicated_attributes`, which the struct can `#[allow]`. |
/// | `unique(a, b)` | No two records may have the same values in all of these, two to six fields, of types that can be `unique`. Where one of them is `None`, the record collides with nothing, as in SQL. May be given again for other fields. With `index(a, b)` of the same fields too, `by_a_and_b` is the one that finds the one record. |
/// | `validate = path` | A check of the whole record, after those of its fields: `fn(&Self) -> Result<(), impl Display>`. |
/// | `ttl = "30m"` | How long a record lives. A number, which may have a fraction, and a unit: `s` seconds, `m` minutes, `h` hours, `d` days; or whole milliseconds, `ttl = 5000`. At least one millisecond. |
/// | `max_size = 10_000` | How many records the bucket holds at most; 1 or more. |
/// | `evict = "oldest"` | Which record leaves a full bucket: `oldest`, the first created, which is also the default; `lru`, one not read for long (up to 1 in 256 of `max_size` at once, 64 at most). Needs `max_size`. |
/// | `persistent = false` | Keeps the bucket out of what is saved. |
/// | `version = 2` | The version of the struct; 1 without it. To be raised when records that were kept need a conversion. |
/// | `migrate(from = UserV1)` | The struct of an earlier version, a bucket too: what it has kept is turned into this one by `From` or `TryFrom`. Needs `version`. |
/// | `rename_from = "people"` | The name that the bucket had before. |
/// | `crate = path` | Where noex-store is found, if not at `::noex_store`. |
///
/// A full bucket loses its first records in the commit that adds new ones, so that the limit holds in every snapshot.
///
/// ```ignore
/// #[bucket(name = "sessions", ttl = "30m", max_size = 10_000, evict = "lru", persistent = false)]
/// #[bucket(index(user_id, started_at), index(user_id, device), validate = Session::in_order)]
/// ```
///
/// Clippy takes a field that stands in two compound indexes for a repeated attribute: `#[allow(clippy::duplicated_attributes)]`
/// on the struct.
///
/// # Stored names
///
/// A field is stored under the name that serde gives it (`rename`, `rename_all`); schemas, issues and errors show this name.
/// Two fields cannot have the same, none may begin with `_version`, `_createdAt`, `_updatedAt` or `_expiresAt`, which are the
/// store's own, and `flatten` is not supported. A field that serde skips, or writes and reads under two names, would be lost
/// by saving, and one with `skip_serializing_if` could not be read without `#[serde(default)]`: that is an error unless it may be
/// missing, or the bucket is not `persistent`.
///
/// # When the struct changes
///
/// With persistence, records outlive the struct that they were written with. When a store starts, or the bucket is defined, what
/// is kept is compared with the struct:
///
/// - A new field gets its `default`, or `None`; a field with `rename_from`, or with an alias of serde's, gets what was kept by the
///   earlier name. Fields may go, and come in another order; numbers may be wider; indexes may come and go.
/// - What needs more than that needs another version:
///
/// ```ignore
/// #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
/// struct UserV1 { #[bucket(key)] id: u64, name: String }
///
/// #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
/// #[bucket(name = "users", version = 2, migrate(from = UserV1))]
/// struct User { #[bucket(key)] id: u64, first: String, last: String }
///
/// impl From<UserV1> for User {
///     fn from(user: UserV1) -> Self {
///         let (first, last) = user.name.split_once(' ').unwrap_or((&user.name, ""));
///         Self { id: user.id, first: first.to_owned(), last: last.to_owned() }
///     }
/// }
/// ```
///
///   `UserV1` may itself migrate from an earlier one. A `TryFrom` may refuse records.
/// - If any record does not fit, by its type, a rule, or a unique field, the store does not start, and nothing is changed: the error
///   lists the fields and the first keys.
///
/// What was converted is kept anew before the store starts: from then on earlier versions of the program cannot read it, and
/// fields that are gone are gone.
///
/// # Costs
///
/// | | each insert and delete | each update | memory |
/// | --- | --- | --- | --- |
/// | `unique` | one hash, O(log n) | the same, if the value changes | one entry a record |
/// | `unique(a, b)` | one hash of each value, O(log n) | the same, if a value changes | one entry a record |
/// | `index`, `index(a, b)` | O(log n) | the same, if a value changes | one entry a record, with a copy of its values |
/// | `index(each)` | O(log n) for each element | the same, if an element changes | one entry an element |
/// | rules | one call each; nothing is allocated while they hold | the same | none |
///
/// An index pays when it is asked: by its accessor, by filters and orders on its first fields, by `min` and `max`. The
/// question's `explain()` names the index that it uses.
#[proc_macro_derive(Bucket, attributes(bucket))]
pub fn derive_bucket(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    let (items, errors) = derive(&input);
    errors.iter().map(syn::Error::to_compile_error).chain([items]).collect::<TokenStream>().into()
}

/// The generated items, and what is wrong with the input.
fn derive(input: &DeriveInput) -> (TokenStream, Vec<syn::Error>) {
    let (parsed, errors) = Ctxt::collect(|ctxt| {
        let mut parsed = parse::parse(ctxt, input);
        if let Parsed::Bucket(bucket) = &mut parsed {
            check::check(ctxt, bucket);
        }
        parsed
    });
    let items = match &parsed {
        Parsed::Bucket(bucket) => expand::expand(bucket),
        Parsed::Hopeless { runtime } => expand::hopeless(runtime, input),
    };
    (items, errors)
}
