//! Images for other machines, built by `targets/build`.

use std::path::PathBuf;
use std::process::Command;

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Builds `triple` within its budget and returns the image. `Err` says which tool this machine lacks; a build that
/// fails, and an image past its budget, is a failed test.
pub(crate) fn image(triple: &str) -> Result<PathBuf, String> {
    let build = Command::new("python3")
        .arg(root().join("targets/build"))
        .args(["--print-image", triple])
        // What `cargo test` sets for this toolchain's own libraries must not reach another compiler.
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .map_err(|e| format!("python3: {e}"))?;
    let (out, err) = (String::from_utf8_lossy(&build.stdout), String::from_utf8_lossy(&build.stderr));
    if build.status.code() == Some(3) {
        return Err(err.trim().into());
    }
    assert!(build.status.success(), "{triple} does not build within its budget\n{out}{err}");
    print!("{out}");
    let path =
        out.lines().find_map(|line| line.strip_prefix("image: ")).expect("targets/build names its image");
    Ok(path.into())
}
