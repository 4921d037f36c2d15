use noex_store::prelude::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Colour {
    Red,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(unique(team, weight), unique(team, colour), unique(team, emial))]
struct Member {
    #[bucket(key)]
    id: u64,
    team: u32,
    email: String,
    weight: f64,
    colour: Colour,
}

fn main() {}
