//! Writes the seeds of every target to `corpus/<target>/`, where cargo-fuzz looks for them.

use std::path::Path;

const GOLDEN: &str = include_str!("../../crates/sprawl-protocol/tests/golden/kafka-4.3.1.txt");

fn main() -> std::io::Result<()> {
    let messages = sprawl_fuzz::corpus::targets(GOLDEN);
    let others = sprawl_fuzz::disk::targets()
        .into_iter()
        .chain(sprawl_fuzz::telemetry::targets());
    for target in messages.into_iter().chain(others) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in target.seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:03}")), seed)?;
        }
    }
    Ok(())
}
