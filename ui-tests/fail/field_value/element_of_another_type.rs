use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Post {
    #[bucket(key)]
    id: u64,
    tags: Vec<String>,
}

fn ask(posts: &BucketHandle<Post>) {
    let _ = posts.filter(Post::TAGS.contains(1));
}

fn main() {}
