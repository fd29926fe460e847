//! Which servers there are, and where this machine keeps them.

use std::{
    env,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// One of the two server families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// MariaDB, from the machine's own packages.
    MariaDb,
    /// MySQL, unpacked privately by `scripts/fetch-mysql`, or installed.
    MySql,
}

/// A server program on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What it is.
    pub flavor: Flavor,
    /// What to run.
    pub path: PathBuf,
    /// The version that it prints of itself.
    pub version: String,
}

impl Flavor {
    /// Both, in the order in which the demo looks for one.
    pub const ALL: [Self; 2] = [Self::MariaDb, Self::MySql];

    /// Finds this server on the machine.
    ///
    /// MySQL: `$GREENROOM_MYSQL/bin`, then the place where `scripts/fetch-mysql` puts it, then PATH. MariaDB: PATH.
    ///
    /// # Errors
    /// When there is none; the text says how to get it.
    pub fn find(self) -> anyhow::Result<Program> {
        match self.candidates().iter().find_map(|path| Program::at(path, self)) {
            Some(program) => Ok(program),
            None => bail!("no {self} server on this machine; {} gets one", self.remedy()),
        }
    }

    fn candidates(self) -> Vec<PathBuf> {
        let names: &[&str] = match self {
            Self::MariaDb => &["mariadbd", "mysqld"],
            Self::MySql => &["mysqld"],
        };
        let private = if self == Self::MySql { private_mysql() } else { Vec::new() };
        let path = env::var_os("PATH").unwrap_or_default();
        let system = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        private.into_iter().chain(system).flat_map(|folder| names.iter().map(move |name| folder.join(name))).collect()
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::MariaDb => "scripts/install-mariadb (or your package manager's mariadb-server)",
            Self::MySql => "scripts/fetch-mysql (or GREENROOM_MYSQL naming an installation)",
        }
    }
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MariaDb => "MariaDB",
            Self::MySql => "MySQL",
        })
    }
}

impl Program {
    /// The program at `path`, if it is there, runs, and is of this flavor (a `mysqld` may be MariaDB's alias).
    fn at(path: &Path, flavor: Flavor) -> Option<Self> {
        if !path.is_file() {
            return None;
        }
        let output = Command::new(path).args(["--no-defaults", "--version"]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let found = if text.contains("MariaDB") { Flavor::MariaDb } else { Flavor::MySql };
        let version = text.split_whitespace().skip_while(|word| *word != "Ver").nth(1)?.to_owned();
        (found == flavor).then(|| Self { flavor, path: path.to_owned(), version })
    }

    /// What every run over the data directory `data` is given: small, fast, and careless of power cuts.
    pub(super) fn usual_arguments(&self, data: &Path) -> Vec<OsString> {
        let common = [
            "--no-defaults",
            "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-doublewrite=0",
        ];
        let own: &[&str] = match self.flavor {
            Flavor::MariaDb => &["--innodb-log-file-size=8M"],
            Flavor::MySql => &["--mysqlx=OFF", "--innodb-redo-log-capacity=8M", "--secure-file-priv=NULL"],
        };
        let mut arguments: Vec<OsString> = common.iter().chain(own).map(OsString::from).collect();
        let mut place = OsString::from("--datadir=");
        place.push(data);
        arguments.push(place);
        if rustix::process::geteuid().is_root() {
            // Both refuse to run as root unless told to.
            arguments.push("--user=root".into());
        }
        arguments
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.flavor, self.version)
    }
}

/// The folders in which an unpacked MySQL may lie.
fn private_mysql() -> Vec<PathBuf> {
    let told = env::var_os("GREENROOM_MYSQL").filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual = env::home_dir().map(|home| home.join(".cache/greenroom/mysql"));
    told.into_iter().chain(usual).map(|prefix| prefix.join("bin")).collect()
}

/// Greenroom's folder for what can be made again: `$XDG_CACHE_HOME/greenroom` or `~/.cache/greenroom`.
pub(super) fn cache() -> anyhow::Result<PathBuf> {
    let told = env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = told.or_else(|| env::home_dir().map(|home| home.join(".cache")));
    Ok(base.context("neither XDG_CACHE_HOME nor HOME is set")?.join("greenroom"))
}
