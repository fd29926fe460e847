//! The status page as a browser shows it: headless Chromium runs its script under its policy.

use std::{
    env,
    io::{Read, Write},
    process::{Command, Output},
};

use crate::support::{
    observe::{deserted, until},
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server, mariadb},
    wire::{Login, Wire},
};

/// Set to 1, a missing browser fails these tests instead of skipping them.
const REQUIRE: &str = "GREENROOM_REQUIRE_BROWSER";

/// How long the page's own clock runs before it is read: for two answers.
const BUDGET: &str = "--virtual-time-budget=2500";

/// Whether there is a browser.
fn browser() -> bool {
    let there = Command::new("chromium").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(there || env::var_os(REQUIRE).is_none_or(|value| value != "1"), "{REQUIRE}=1, but there is no chromium");
    if !there {
        // Past the test harness's capture, so that nobody takes half a run for a whole one.
        let _ = writeln!(std::io::stderr(), "SKIPPED: the status page in a browser; there is no chromium");
    }
    there
}

/// The page after its script has run, and what the browser had to say about it.
fn shown(proxy: &Proxy, more: &[&str]) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let mut chromium = Command::new("timeout");
    // A browser that root starts has no sandbox, and containers have little shared memory.
    chromium
        .args(["--kill-after=5", "100", "chromium", "--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--disable-dev-shm-usage", "--enable-logging=stderr", BUDGET, "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(more)
        .arg(format!("http://{}/", proxy.http()));
    let Output { status, stdout, stderr } = chromium.output().unwrap();
    let [page, said] = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(status.success(), "{status}: {said}");
    let said = said.lines().filter(|line| line.contains("CONSOLE")).collect::<Vec<_>>().join("\n");
    (page, said)
}

/// What stands in the element of that id, markup and all.
fn part<'p>(page: &'p str, id: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id} in {page}"));
    let end = if matches!(id, "about" | "news") { "</p>" } else { "</section>" };
    rest.split_once(end).unwrap().0
}

#[test]
fn the_page_shows_what_there_is_and_takes_no_name_for_markup() {
    if !browser() {
        return;
    }
    each_server(|server| {
        let tenant = Tenant::new(server, "page");
        let proxy = Setup::new(server.address())
            .first_node(server.address(), &["max_connections = 1"])
            .endpoint("lease_timeout = \"150ms\"")
            .user(&tenant.name, &tenant.password)
            .user("<i>late</i>", "x")
            .start();
        let mut session = tenant.connect(proxy.address());
        session.ok("DO GET_LOCK('x', 1)");
        let mut late = Wire::connect(proxy.address(), &Login::new("<i>late</i>", "x").no_database()).unwrap();
        assert_eq!(late.err("SELECT 1").code, 1040);
        until("the counts are handed over", || {
            let (_, document) = proxy.get("/api/v1/status");
            document.contains("gave_up") && document.contains("\"clients\":2") && document.contains("\"user_lock\":")
        });
        let (page, said) = shown(&proxy, &[]);
        assert_eq!(said, "", "the browser complains");
        assert!(part(&page, "about").contains(concat!("version ", env!("CARGO_PKG_VERSION"))), "{page}");
        assert!(part(&page, "figures").contains("<dt>clients</dt><dd>2</dd>"), "{}", part(&page, "figures"));
        let cards = part(&page, "cards");
        for text in ["<h3>app</h3>", "server connections held 1", "aria-label=\"app, the last two minutes: clients 2"] {
            assert!(cards.contains(text), "{text} in {cards}");
        }
        // A line of a chart has a point for each answer.
        let points = cards.split_once("points=\"").unwrap().1.split('"').next().unwrap();
        assert!(points.split(' ').count() >= 2, "{points}");
        let nodes = part(&page, "noderows");
        assert!(
            nodes.contains("<th scope=\"row\">db1</th>") && nodes.contains("<td class=\"good\">up</td>"),
            "{nodes}"
        );
        let pins = part(&page, "pinrows");
        assert!(pins.contains("<th scope=\"row\">user_lock</th>") && pins.contains("lock a row"), "{pins}");
        let waits = part(&page, "waitrows");
        assert!(waits.contains("&lt;i&gt;late&lt;/i&gt;") && waits.contains("gave up"), "{waits}");
        assert!(!page.contains("<i>late"), "{page}");
        assert!(!part(&page, "news").contains("bad"), "{}", part(&page, "news"));
    });
}

/// The first pixel of a picture: what is behind everything. The first row's filter leaves its first pixel as it is.
fn corner(png: &[u8]) -> [u8; 3] {
    let (mut rest, mut packed) = (&png[8..], Vec::new());
    while let Some((head, behind)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if &head[4..] == b"IDAT" {
            packed.extend_from_slice(&behind[..length]);
        }
        rest = &behind[length + 4..];
    }
    let mut first = [0; 4];
    flate2::read::ZlibDecoder::new(packed.as_slice()).read_exact(&mut first).unwrap();
    [first[1], first[2], first[3]]
}

#[test]
fn the_page_follows_the_choice_of_light_or_dark_and_is_for_all() {
    if !browser() {
        return;
    }
    let proxy = Setup::new(mariadb().address()).start();
    let directory = tempfile::tempdir().unwrap();
    let (page, _) = shown(&proxy, &[]);
    // The page's own colours, from its style.
    let ground = |after: &str| {
        let style = page.split_once(after).unwrap().1.split_once("--ground: #").unwrap().1;
        [0, 2, 4].map(|at| u8::from_str_radix(&style[at..at + 2], 16).unwrap())
    };
    let wanted = [ground("prefers-color-scheme: dark"), ground(":root {")];
    assert_ne!(wanted[0], wanted[1]);
    for (scheme, wanted) in wanted.into_iter().enumerate() {
        let picture = directory.path().join(format!("{scheme}.png"));
        let scheme = format!("--blink-settings=preferredColorScheme={scheme}");
        shown(&proxy, &[&scheme, &format!("--screenshot={}", picture.display()), "--window-size=1000,1400"]);
        assert_eq!(corner(&std::fs::read(picture).unwrap()), wanted, "{scheme}");
    }
    // The first thing that a keyboard reaches leads past the head; nothing is out of order; every cell has its head.
    let body = page.split_once("<body>").unwrap().1;
    assert!(body.trim_start().starts_with("<a class=\"skip\" href=\"#endpoints\">"), "{body}");
    assert!(page.contains("<html lang=\"en\"") && page.contains("role=\"status\" aria-live=\"polite\""));
    assert!(page.split("tabindex=\"").skip(1).all(|rest| rest.starts_with('0') || rest.starts_with("-1")), "{page}");
    let heads: Vec<_> = page.split("<th").skip(1).filter(|rest| !rest.starts_with("ead")).collect();
    assert!(heads.len() >= 20 && heads.iter().all(|rest| rest.split('>').next().unwrap().contains("scope=")), "{page}");
    for chart in page.split("<svg").skip(1).map(|rest| rest.split('>').next().unwrap()) {
        assert!(chart.contains("aria-label=") || chart.contains("aria-hidden="), "{chart}");
    }
}

#[test]
fn the_page_says_what_is_wrong() {
    if !browser() {
        return;
    }
    let (_kept, dead) = deserted();
    let proxy = Setup::new(mariadb().address()).node("gone", dead, &["role = \"replica\""]).start();
    until("it is missed", || proxy.get("/api/v1/status").1.contains("\"down\""));
    let (page, said) = shown(&proxy, &[]);
    assert_eq!(said, "", "the browser complains");
    assert!(part(&page, "news").contains("node gone is down"), "{}", part(&page, "news"));
    assert!(part(&page, "noderows").contains("<td class=\"bad\">down</td>"));
}
