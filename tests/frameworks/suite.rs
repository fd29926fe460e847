//! A framework's tests, and how they are run: on two fresh servers at once, on one of them through a pool.

use std::{
    io::Write,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use greenroom::demo::server::{Flavor, Options, ROOT, Server};

use super::{
    outcomes::Outcomes,
    support::{
        disturb::{TABLE, while_others_work},
        installed::installed,
        proxy::{Proxy, Setup},
        servers::each_private_server,
        wire::{Login, Wire},
    },
};

/// Ends a run that hangs, seconds.
const LIMIT: &str = "2400";
/// Fewer than there are sessions: they have to share.
const CONNECTIONS: &str = "max_connections = 6";
const DATABASE: &str = "disturbed";

/// A framework with its own tests.
pub(super) struct Suite {
    name: &'static str,
    /// Its folder, by how the name begins.
    folder: &'static str,
    /// Where in it tests are started.
    start: &'static str,
    /// Databases that must be there.
    databases: &'static [&'static str],
    arguments: fn(Flavor, SocketAddr) -> Vec<String>,
    /// Which tests, by module.
    modules: &'static str,
    /// So many pass at least, lest a run of nothing be taken for a success.
    passing: usize,
}

/// The suite that every dialect has to pass, MySQL's own tests, and what executes and transacts.
pub(super) const SQLALCHEMY: Suite = Suite {
    name: "SQLAlchemy",
    folder: "sqlalchemy-",
    start: "",
    databases: &["test", "test_schema"],
    arguments: |flavor, address| {
        let dialect = if flavor == Flavor::MariaDb { "mariadb" } else { "mysql" };
        let url = format!("{dialect}+pymysql://{}:{}@{address}/test", ROOT.user, ROOT.password);
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "outcomes", "--maxfail=100000", "--dburi", &url]
            .map(str::to_owned)
            .to_vec()
    },
    modules: "test/dialect/test_suite.py test/dialect/mysql test/engine/test_execute.py test/engine/test_transaction.py \
              test/engine/test_reconnect.py test/sql/test_resultset.py test/sql/test_query.py test/sql/test_insert_exec.py \
              test/orm/test_transaction.py",
    passing: 2000,
};

/// Django's tests of its MySQL backend, and of what the ORM makes of it.
pub(super) const DJANGO: Suite = Suite {
    name: "Django",
    folder: "django-",
    start: "tests",
    databases: &[],
    arguments: |_, _| ["runtests.py", "--settings=greenroom_settings", "--parallel=1"].map(str::to_owned).to_vec(),
    modules: "backends transactions transaction_hooks queries expressions expressions_case expressions_window lookup \
              aggregation aggregation_regress annotations bulk_create select_for_update select_related db_functions \
              schema inspectdb introspection basic constraints custom_pk datatypes dates datetimes defer delete \
              fixtures force_insert_update from_db_value get_or_create indexes many_to_many many_to_one \
              model_fields model_inheritance multiple_database ordering prefetch_related raw_query serializers.test_json serializers.test_natural \
              sessions_tests cache test_utils timezones update update_only_fields",
    passing: 4000,
};

impl Suite {
    /// Runs the tests on both servers, directly and through a pool that others use as well, and compares.
    pub(super) fn compare(&self) {
        each_private_server(&Options::default(), |own| {
            let other = Server::start(own.flavor(), &Options::default()).unwrap();
            let [direct, through] = thread::scope(|scope| {
                let direct = scope.spawn(|| self.run(&own, own.address()));
                let through = self.run_through(&other);
                [direct.join().unwrap(), through]
            });
            let what = format!("{} on {} {}", self.name, own.flavor(), own.version());
            self.tell(&format!("{what}, directly: {}", direct.counted()));
            self.tell(&format!("{what}, through:  {}", through.counted()));
            let differences = direct.differences(&through);
            assert!(differences.is_empty(), "{what}: {} differ\n{}", differences.len(), differences.join("\n"));
            assert!(direct.passed() >= self.passing, "{what}: only {} passed", direct.passed());
        });
    }

    fn run_through(&self, server: &Server) -> Outcomes {
        let mut root = Wire::connect(server.address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
        for sql in [format!("CREATE DATABASE {DATABASE}"), format!("USE {DATABASE}"), TABLE.to_owned()] {
            root.ok(&sql);
        }
        let setup = Setup::new(server.address()).first_node(server.address(), &[CONNECTIONS]);
        let proxy = setup.user(ROOT.user, ROOT.password).start();
        let others = (0..3).map(|_| other(&proxy)).collect();
        let outcomes = while_others_work(others, DATABASE, || self.run(server, proxy.address()));
        let shared = proxy.metrics().sum("greenroom_leases_total", &["found=\"other\""]);
        // How many follows from how the machine shares its time out.
        assert!(shared > 200.0, "only {shared} leases were of a connection that another session had used");
        outcomes
    }

    /// One run of all tests, at this address.
    fn run(&self, server: &Server, address: SocketAddr) -> Outcomes {
        let mut root = Wire::connect(server.address(), &Login::new(ROOT.user, ROOT.password)).unwrap();
        for database in self.databases {
            root.ok(&format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"));
        }
        let scratch = tempfile::tempdir().unwrap();
        let record = scratch.path().join("outcomes");
        let log = scratch.path().join("log");
        let output = std::fs::File::create(&log).unwrap();
        let status = self
            .command(server.flavor(), address)
            .env("GREENROOM_OUTCOMES", &record)
            .env("TMPDIR", scratch.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .status()
            .unwrap();
        let log = std::fs::read(&log).unwrap();
        let log = String::from_utf8_lossy(&log);
        let tail: Vec<_> = log.lines().rev().take(30).collect();
        // 1 is what both frameworks end with where a test failed.
        assert!(
            matches!(status.code(), Some(0 | 1)),
            "{}: {status}\n{}",
            self.name,
            tail.into_iter().rev().collect::<Vec<_>>().join("\n")
        );
        Outcomes::read(&record)
    }

    fn command(&self, flavor: Flavor, address: SocketAddr) -> Command {
        let folder = installed("frameworks");
        let mut found = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let source = found
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(self.folder)))
            .unwrap_or_else(|| panic!("no {} in {}; make frameworks gets it", self.name, folder.display()));
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frameworks");
        let mut command = Command::new("timeout");
        command.arg(LIMIT).arg(folder.join("python/bin/python")).arg("-B");
        command.args((self.arguments)(flavor, address)).args(self.modules.split_whitespace());
        // Names of tests may hold what a set was printed as.
        command.current_dir(source.join(self.start)).env("PYTHONHASHSEED", "0");
        command.env("PYTHONPATH", std::env::join_paths([own, source]).unwrap());
        command.env("GREENROOM_PORT", address.port().to_string());
        command.env("GREENROOM_USER", ROOT.user).env("GREENROOM_PASSWORD", ROOT.password);
        if self.name == "Django" {
            command.env("DJANGO_SETTINGS_MODULE", "greenroom_settings");
        }
        command
    }

    /// Past the test harness's capture: the figures are what one runs this for.
    fn tell(&self, line: &str) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

fn other(proxy: &Proxy) -> Wire {
    Wire::connect(proxy.address(), &Login::new(ROOT.user, ROOT.password)).unwrap()
}
