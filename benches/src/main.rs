//! Measures radam against the limits of the machine.
//!
//! Each case compares the library, through its C API, with the best that the machine could do (a roof) or with another
//! way of using the library. The two take turns (`duel.rs`), criterion samples the ratio of their times (`ratio.rs`,
//! `bench.rs`), and `report.rs` and `plot.rs` show the results. The roofs are in `roof.rs`, `team.rs` and `limit.rs`, the
//! cases in `cases/`.
//!
//! Arguments select cases by parts of their names. Only a run of all cases writes the files in `results/`.

mod bench;
mod case;
mod cases;
#[path = "../../tests/driver/mod.rs"]
mod driver;
mod duel;
mod goal;
mod load;
mod limit;
mod machine;
mod memory;
mod pages;
mod plot;
mod ratio;
mod report;
mod roof;
mod setup;
mod team;

use bench::Bench;
use std::error::Error;
use std::fs;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: pages::Pages = pages::Pages;

fn main() -> Result<(), Box<dyn Error>> {
    let mut bench = Bench::new(std::env::args().skip(1).collect());
    cases::memory::run(&mut bench);
    cases::coded::run(&mut bench);
    cases::cache::run(&mut bench);
    cases::tensors::run(&mut bench);
    cases::training::run(&mut bench);
    cases::threads::run(&mut bench);
    cases::denormals::run(&mut bench);
    cases::checkpoint::run(&mut bench);
    let curves = cases::curves::run(&mut bench);
    bench.report.note_disturbances(bench.disturbances.share());
    println!("\n{}", bench.report.table());
    if let (true, Some(curves)) = (bench.is_whole(), curves) {
        let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        fs::create_dir_all(&results)?;
        fs::write(results.join("bench.md"), bench.report.page())?;
        plot::draw(&curves, &results.join("bench.svg"))?;
    }
    Ok(())
}
