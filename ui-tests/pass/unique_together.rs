//! Fields that are unique together: of every kind of type, with an index of the same fields, with names of serde's.

use noex_store::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Colour {
    Red,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(unique(team, email), unique(r#type, colour, tags), index(team, email), index(email, team))]
#[serde(rename_all = "camelCase")]
pub struct Member {
    #[bucket(key)]
    id: u64,
    pub team: u32,
    #[bucket(index)]
    pub email: Option<String>,
    pub r#type: String,
    pub colour: Colour,
    #[serde(rename = "labels")]
    tags: Vec<String>,
}

fn look(members: &BucketHandle<Member>) -> [Option<Record<Member>>; 3] {
    [
        members.by_team_and_email(&7, "ann@example.com"),
        members.by_team_and_email(&7, &String::new()),
        members.by_type_and_colour_and_tags("admin", &Colour::Red, &vec![String::new()]),
    ]
}

fn main() {
    let _ = look;
    let names: Vec<&str> = Member::schema().uniques.iter().map(|unique| unique.name).collect();
    assert_eq!(names, ["team, email", "type, colour, labels"]);
    assert_eq!(Member::schema().uniques[0].fields, [1, 2]);
}
