//! `hls-check`: one run, its report on standard output, its verdict as exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use hls_check::{Args, Options, run};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let json = args.json;
    let text = match run(Options::from(args)).await {
        Ok(report) if json => serde_json::to_string_pretty(&report).map(|text| (text, report.passed())),
        Ok(report) => Ok((report.to_string(), report.passed())),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "hls-check: {error}");
            return ExitCode::from(2);
        }
    };
    match text {
        Ok((text, passed)) if writeln!(std::io::stdout(), "{text}").is_ok() => {
            ExitCode::from(u8::from(!passed))
        }
        _ => ExitCode::from(2),
    }
}
