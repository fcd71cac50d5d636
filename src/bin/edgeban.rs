//! Floor 9: the command line.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    edgeban::host::cli::main()
}
