//! Networks and mounts of a test's own, which the machine does not see. That takes root.

use std::{
    env,
    fs::File,
    io::Write,
    os::fd::AsFd,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Set to 1, tests fail that may not have namespaces of their own, instead of being skipped.
const REQUIRE: &str = "GREENROOM_REQUIRE_NAMESPACES";

/// Set in a process that runs in mounts of its own: the test's name.
const INSIDE: &str = "GREENROOM_TEST_INSIDE";

/// Whether this may be had; says so where it may not be.
fn permitted(test: &str, kind: &str) -> bool {
    let tried = Command::new("unshare").args([kind, "true"]).output();
    let why = match tried {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("unshare: {error}"),
    };
    assert!(env::var_os(REQUIRE).is_none_or(|value| value != "1"), "{REQUIRE}=1, but {why}");
    // Past the test harness's capture.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}; it needs namespaces of its own, as root has them ({why})");
    false
}

/// Runs a command to its end, which must be a good one.
pub(crate) fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A network with nothing in it but a loopback interface; it lasts for as long as this, and whoever has moved there.
#[derive(Debug)]
pub(crate) struct Network(Child);

impl Network {
    /// `None`: they are not to be had, and that has been said.
    pub(crate) fn new(test: &str) -> Option<Self> {
        if !permitted(test, "--net") {
            return None;
        }
        let mut holder = Command::new("unshare");
        holder.args(["--net", "sh", "-c", "ip link set lo up && echo up && read -r _"]);
        let mut child = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare runs");
        let mut told = [0; 3];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut told).expect("the network is up");
        Some(Self(child))
    }

    /// The process that holds it.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Runs something in a thread that is there, as all are that it starts, processes too.
    pub(crate) fn within<T: Send>(&self, play: impl FnOnce() -> T + Send) -> T {
        let network = File::open(format!("/proc/{}/ns/net", self.pid())).unwrap();
        let name = thread::current().name().unwrap_or("a test").to_owned();
        thread::scope(|scope| {
            let inside = move || {
                move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                play()
            };
            let thread = thread::Builder::new().name(name).spawn_scoped(scope, inside).unwrap();
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a test, whose whole name this is, in a process of its own with these small file systems, of so many megabytes each, at
/// `$GREENROOM_TEST_DISKS/NAME`. They go with the process.
pub(crate) fn with_disks(test: &str, disks: &[(&str, u32)], play: impl FnOnce(&Path)) {
    if env::var_os(INSIDE).is_some_and(|inside| inside == test) {
        return play(Path::new(&env::var_os("GREENROOM_TEST_DISKS").unwrap()));
    }
    if !permitted(test, "--mount") {
        return;
    }
    let place = tempfile::Builder::new().prefix("greenroom-disks-").tempdir().unwrap();
    let mut script = String::from("set -e\n");
    for (name, megabytes) in disks {
        std::fs::create_dir(place.path().join(name)).unwrap();
        script += &format!("mount -t tmpfs -o size={megabytes}m,mode=777 greenroom \"$GREENROOM_TEST_DISKS/{name}\"\n");
    }
    script += "exec \"$@\"";
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
    inside.arg(env::current_exe().unwrap()).args([test, "--exact", "--nocapture", "--test-threads=1"]);
    let output = inside.env(INSIDE, test).env("GREENROOM_TEST_DISKS", place.path()).output().unwrap();
    // Shown only when the test fails.
    println!("{}", String::from_utf8_lossy(&output.stdout));
    println!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{test} failed inside");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "no such test: {test}");
}

/// Fills a file system to its last byte, until this is dropped or let go.
pub(crate) struct Filler(std::path::PathBuf);

impl Filler {
    pub(crate) fn fill(disk: &Path) -> Self {
        let path = disk.join("filler");
        let mut file = File::create(&path).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        Self(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Joins two networks by a link; its ends have the addresses `10.77.0.1` and `10.77.0.2`.
pub(crate) fn join(here: &Network, there: &Network) {
    here.within(|| {
        let pid = there.pid().to_string();
        run("ip", &["link", "add", "near", "type", "veth", "peer", "name", "far", "netns", &pid]);
        run("ip", &["address", "add", "10.77.0.1/24", "dev", "near"]);
        run("ip", &["link", "set", "near", "up"]);
    });
    there.within(|| {
        run("ip", &["address", "add", "10.77.0.2/24", "dev", "far"]);
        run("ip", &["link", "set", "far", "up"]);
    });
}
