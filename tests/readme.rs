//! The README's first program is the example that runs.

#[test]
fn the_quick_start_is_the_example() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).expect(name);
    let readme = read("README.md");
    let program =
        readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a program");
    let example = read("examples/quickstart.rs");
    let (_, code) = example.split_once("\n\n").expect("a comment, and the code");
    assert_eq!(program, code);
}
