//! Nothing is imported: the generated code finds all by absolute paths.

#[derive(
    noex_store::Bucket,
    ::core::clone::Clone,
    ::core::fmt::Debug,
    noex_store::prelude::Serialize,
    noex_store::prelude::Deserialize,
)]
#[bucket(index(owner, name))]
struct File {
    #[bucket(key, generated = "uuid")]
    id: noex_store::prelude::Uuid,
    #[bucket(index)]
    owner: ::std::string::String,
    #[bucket(unique, min_length = 1)]
    name: ::std::string::String,
    #[bucket(min = 0, default = 1)]
    size: u64,
    note: ::core::option::Option<::std::string::String>,
    #[bucket(index(each), default)]
    tags: ::std::vec::Vec<::std::string::String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ::core::result::Result<(), noex_store::Error> {
    let store = noex_store::Store::builder().bucket::<File>().start().await?;
    let files = store.bucket::<File>()?;
    let file = files.insert(File::draft().owner("ann").name("a.txt").note("first").tags(["x"]))?;
    assert_eq!((file.size, file.note.as_deref()), (1, Some("first")));
    assert_eq!(files.by_owner("ann").len(), 1);
    assert_eq!(files.by_tags("x").len(), 1);
    assert_eq!(files.by_owner_and_name("ann", "a".."b").len(), 1);
    assert_eq!(files.by_name("a.txt").map(|file| file.id), Some(file.id));
    Ok(())
}
