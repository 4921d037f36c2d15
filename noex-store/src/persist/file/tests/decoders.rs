//! The decoders, given what was written and then changed at random: also with checksums that are right, so that what is behind them is
//! reached. `NOEX_FUZZ=1000000 cargo test --release -p noex-store decoders` makes so many.

use std::path::Path;

use super::super::fuzzing;
use super::*;

const HEAD: usize = 12;

/// Makes the checksums right again, frame by frame.
fn mend(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + HEAD) {
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let Some(body) = bytes.get(at + HEAD..at + HEAD + len) else { return };
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&head[4..8]);
        hasher.update(body);
        bytes[at + 8..at + HEAD].copy_from_slice(&hasher.finalize().to_le_bytes());
        at += HEAD + len;
    }
}

#[test]
fn decoders_survive_anything() {
    let wanted = std::env::var("NOEX_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(6_000);
    let mut originals: Vec<(bool, Vec<u8>)> = Vec::new();
    for format in 1..=FORMAT {
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/persist/file/tests/format-{format}"));
        for entry in std::fs::read_dir(folder).expect("kept with the code").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.ends_with(".json") {
                originals.push((name.starts_with("log-"), std::fs::read(entry.path()).expect("readable")));
            }
        }
    }
    let mut random = Random::new(1);
    let mut whole = 0;
    for _ in 0..wanted {
        let (is_log, original) = &originals[random.below(originals.len())];
        let mut bytes = original.clone();
        for _ in 0..random.below(6) {
            let at = random.below(bytes.len());
            match random.below(5) {
                0 => bytes[at] = random.below(256) as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes.truncate(at + 1),
                3 => drop(bytes.drain(at..(at + random.below(40)).min(bytes.len()))),
                _ => {
                    let from = random.below(original.len());
                    let part: Vec<u8> = original[from..].iter().take(random.below(60)).copied().collect();
                    bytes.splice(at..at, part);
                }
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        if random.below(2) == 0 {
            mend(&mut bytes);
        }
        whole += usize::from(if *is_log { fuzzing::log(&bytes) } else { fuzzing::snapshot(&bytes) });
        let _ = fuzzing::lines(&bytes);
    }
    println!("{whole} of {wanted} could be read");
    assert!(whole > 0);
}
