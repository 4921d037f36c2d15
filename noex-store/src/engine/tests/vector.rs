//! The vector that holds the buckets of a root, against `Vec`: a snapshot of it must stay as it was.

use super::Random;

#[test]
fn a_vector_and_its_snapshots_agree_with_vec() {
    for seed in 0..8 {
        let mut random = Random::new(seed);
        let mut kept: Vec<(im::Vector<u64>, Vec<u64>)> = vec![(im::Vector::new(), Vec::new())];
        for step in 0..1500_u64 {
            // Any version may go on, also an old one: all are independent.
            let at = random.below(kept.len());
            let (vector, model) = &mut kept[at];
            match random.below(8) {
                0..=3 => {
                    vector.push_back(step);
                    model.push(step);
                }
                4..=5 if !model.is_empty() => {
                    let place = random.below(model.len());
                    assert_eq!(vector.set(place, step), std::mem::replace(&mut model[place], step));
                }
                6 if !model.is_empty() => {
                    let place = random.below(model.len());
                    *vector.get_mut(place).expect("in range") = step;
                    model[place] = step;
                }
                _ if kept.len() < 12 => {
                    let copy = kept[at].clone();
                    kept.push(copy);
                }
                _ => {
                    kept.swap_remove(at);
                }
            }
            if step % 100 == 0 {
                for (vector, model) in &kept {
                    assert!(vector.iter().eq(model), "seed {seed}, step {step}");
                    assert_eq!(vector.len(), model.len());
                    assert_eq!(vector.get(model.len()), None);
                }
            }
        }
    }
}
