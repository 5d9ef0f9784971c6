//! Runs an operation of the hot paths a number of times, for a profiler.
//!
//! ```text
//! core-benches "wheel: arm and fire" 1000
//! core-benches                            the names
//! ```

use std::process::ExitCode;

#[expect(clippy::print_stdout, reason = "the output of the program")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        println!("{}", core_benches::NAMES.join("\n"));
        return ExitCode::SUCCESS;
    };
    let count = arguments.next().and_then(|text| text.parse().ok());
    let (Some(mut operation), Some(count)) = (core_benches::operation(&name), count) else {
        return ExitCode::FAILURE;
    };
    for _ in 0..count {
        operation();
    }
    ExitCode::SUCCESS
}
