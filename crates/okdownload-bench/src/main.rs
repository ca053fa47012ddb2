//! `okdownload-bench`, the program: see the library, which is all of it.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    okdownload_bench::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<(), &'static str> {
    Err("okdownload-bench measures by what Linux tells of processes; run it there")
}
