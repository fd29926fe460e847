//! One script on both ways, and where they part.

use super::{
    generate::Script,
    stage::{Place, Stage},
};

/// The first line whose answers differ.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    pub(crate) at: usize,
    direct: Vec<String>,
    proxied: Vec<String>,
}

/// How wide each side is printed.
const WIDTH: usize = 76;

/// Runs the script on the server itself and then through the proxy.
pub(crate) fn run(stage: &Stage<'_>, place: &mut Place, script: &Script) -> Option<Difference> {
    place.renew();
    let mut direct = stage.direct(place, script.client);
    let mut expected = Vec::new();
    for line in &script.lines {
        let (answer, goes_on) = direct.run(line);
        expected.push(answer);
        if !goes_on {
            break;
        }
    }
    direct.quit();
    place.wait_until_left();
    place.renew();
    let mut through = stage.proxied(place, script.client);
    let mut over = false;
    let difference = script.lines.iter().zip(expected).enumerate().find_map(|(at, (line, direct))| {
        let (proxied, _) = through.run(line);
        if over || stage.is_told_apart(&proxied) {
            over = true;
            return None;
        }
        (proxied != direct).then_some(Difference { at, direct, proxied })
    });
    through.quit();
    place.wait_until_left();
    difference
}

impl Difference {
    /// What both sides said, or have, after this line of the script.
    pub(crate) fn new(at: usize, direct: Vec<String>, proxied: Vec<String>) -> Self {
        Self { at, direct, proxied }
    }

    /// The script up to here, and both answers side by side.
    pub(crate) fn show(&self, script: &Script) -> String {
        let mut out = format!("  client: {:?}\n", script.client);
        script.lines[..=self.at].iter().for_each(|line| out += &format!("  {line}\n"));
        out += &format!("\n    {:WIDTH$}   through the proxy\n", "directly");
        let alike = |at: &usize| self.direct.get(*at) == self.proxied.get(*at);
        for at in 0..self.direct.len().max(self.proxied.len()) {
            let side = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(nothing)".into());
            if alike(&at) {
                // What is equal is only there to find one's way.
                if at < 20 || !alike(&(at + 1)) {
                    out += &format!("    {}\n", cut(&side(&self.direct)));
                }
                continue;
            }
            let (left, right) = (side(&self.direct), side(&self.proxied));
            if left.chars().count() <= WIDTH && right.chars().count() <= WIDTH {
                out += &format!(" != {left:WIDTH$} | {right}\n");
            } else {
                out += &format!(" != {left}\n  | {right}\n");
            }
        }
        out
    }
}

fn cut(text: &str) -> String {
    text.chars().take(2 * WIDTH).collect()
}
