//! Prints how many acknowledged commits were looked for after power losses, and how many were
//! missing: `cargo run --release -p cluster-store --features testing --example power_loss [IMAGES]`.

use cluster_store::power::{PowerLoad, power_loss};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "its figures are its purpose")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let images = std::env::args()
        .nth(1)
        .map_or(Ok(1_000), |text| text.parse())?;
    let load = PowerLoad {
        images,
        ..PowerLoad::default()
    };
    let report = power_loss(load, |_| {}).await;
    println!("{report:#?}");
    if report.is_clean() {
        Ok(())
    } else {
        Err("the store lost what it had acknowledged".into())
    }
}
