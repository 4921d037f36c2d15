//! Each generated item is as visible as what it stands for.

#![deny(warnings, unreachable_pub, private_interfaces, private_bounds)]

use noex_store::prelude::*;

mod shop {
    pub(super) mod model {
        use noex_store::prelude::*;

        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        struct Secret(u8);

        #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
        #[bucket(index(name, count))]
        pub(in crate::shop) struct Article {
            #[bucket(key)]
            pub(in crate::shop) id: u32,
            #[bucket(unique)]
            pub(super) name: String,
            #[bucket(index)]
            pub(in crate::shop) count: u16,
            #[bucket(index, default = Secret(7))]
            secret: Secret,
        }

        pub(super) async fn secret() -> Result<usize, Error> {
            let store = Store::builder().bucket::<Article>().start().await?;
            let articles = store.bucket::<Article>()?;
            articles.insert(Article::draft().id(1_u32).name("pen").count(3_u16))?;
            Ok(articles.by_secret(&Secret(7)).len() + articles.filter(Article::SECRET.eq(Secret(7))).count())
        }

        #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
        pub(crate) struct Open {
            #[bucket(key)]
            pub(crate) id: u32,
            #[bucket(index)]
            pub(crate) name: String,
        }
    }

    pub(super) async fn use_it() -> Result<(), Error> {
        use model::Article;
        use noex_store::prelude::*;

        let store = Store::builder().bucket::<Article>().start().await?;
        let articles: BucketHandle<Article> = store.bucket()?;
        articles.insert(Article::draft().id(1_u32).name("pen").count(3_u16))?;
        articles.update(&1, Article::patch().count(4_u16))?;
        assert_eq!(articles.by_name("pen").map(|article| article.id), Some(1));
        assert_eq!(articles.by_count(&4).len(), 1);
        assert_eq!(articles.by_name_and_count("pen", ..).len(), 1);
        assert_eq!(articles.filter(Article::COUNT.gt(3)).count(), 1);
        assert_eq!(model::secret().await?, 2);
        Ok(())
    }

    use noex_store::prelude::Error;
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    use shop::model::Open;
    shop::use_it().await?;
    let store = Store::builder().bucket::<Open>().start().await?;
    store.bucket::<Open>()?.insert(Open::draft().id(1_u32).name("x"))?;
    assert_eq!(store.bucket::<Open>()?.by_name("x").len(), 1);
    Ok(())
}
