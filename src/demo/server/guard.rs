//! Ends a server whose owner was killed, and removes its directory.
//!
//! The kernel's parent-death signal would need `unsafe` here, and follows the thread that started the server, not the
//! process. A pipe needs neither: a shell waits for its end, which comes when this process ends, however it ends.

use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::Context;

/// `$1` is the directory. The server is known by its data directory, so a process id that was used again harms nobody.
/// `-e` and the pattern are one word, lest grep find itself.
const SCRIPT: &str = r#"
    read -r _
    for cmdline in $(grep -lzxF -e"--datadir=$1/data" /proc/[0-9]*/cmdline 2>/dev/null); do
        pid=${cmdline#/proc/}
        kill -KILL "${pid%/cmdline}"
    done
    rm -rf -- "$1"
"#;

/// The watching shell.
#[derive(Debug)]
pub(super) struct Guard {
    shell: Child,
}

impl Guard {
    /// Watches over the server whose data directory is `directory`/data.
    pub(super) fn over(directory: &Path) -> anyhow::Result<Self> {
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "greenroom-guard"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of the terminal's group, so that a Ctrl-C does not end the guard first.
            .process_group(0)
            .spawn()
            .context("starting the shell that guards a server")?;
        Ok(Self { shell })
    }

    /// Lets the guard do its work now: what is still there of server and directory goes.
    pub(super) fn dismiss(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.dismiss();
    }
}
