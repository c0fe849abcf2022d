//! `dynamo explore`: a scenario's states and steps in a web browser, opened where something breaks.

use super::{INTERRUPTED, interruptible};
use anyhow::{Context, bail};
use dynamo_models::explore::{Progress, explore};
use dynamo_models::scenario::{Property, Scenario};
use dynamo_models::stateright::{
    ActorEncoding, Explorable, ExplorerError, explorer_path, free_address, serve,
};
use dynamo_models::world::ClusterModel;
use indicatif::ProgressBar;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  Find what refutes a scenario and open the page there:
    dynamo explore models/scenarios/lecture-322-concurrent.toml
  The same for one property, at any free port:
    dynamo explore scenario.toml --property monotonic-reads --port 0
  The nodes and clients as plain Stateright actors:
    dynamo explore scenario.toml --encoding actor

Exit codes: 0 ended by Ctrl-C, 64 bad usage or input, 101 the server has stopped by itself.";

const ICONS: &str =
    "The page's icons speak of the runs that it has searched, not of the state shown.";
const READ_THE_TEXT: &str = "The page's icons speak of the runs that it has searched, not of the \
state shown: the state's own text begins with what is true there.";

/// Check a scenario, then serve its states and steps to a web browser, on this machine only.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExploreArgs {
    /// The scenario.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Open where this property is refuted [default: the first refuted of those that the scenario
    /// asks, except linearizable].
    #[arg(long, value_name = "PROPERTY")]
    property: Option<Property>,

    /// The model: `cluster` is the one that `dynamo check` explores, `actor` runs the same nodes as
    /// plain Stateright actors.
    #[arg(long, value_enum, default_value_t = Encoding::Cluster)]
    encoding: Encoding,

    /// The port of the page; 0 takes any free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Encoding {
    Cluster,
    Actor,
}

/// What ends the waiting.
enum End {
    Interrupted,
    Panicked,
    Stopped(ExplorerError),
}

/// Checks the scenario that `args` name, prints where to look, and serves until Ctrl-C.
///
/// # Errors
/// Bad usage or input, in one sentence.
pub(crate) fn run(args: ExploreArgs) -> anyhow::Result<ExitCode> {
    let mut scenario = Scenario::load(&args.file)?;
    if let Some(property) = args.property {
        scenario.expect = vec![(property, None)];
    }
    let address = free_address(SocketAddr::from((Ipv4Addr::LOCALHOST, args.port)))?;
    // The search may take long; nobody else shall get the port meanwhile.
    let held = TcpListener::bind(address).with_context(|| format!("{address} is taken"))?;
    let (sender, ends) = channel();
    let interrupts = sender.clone();
    let interrupt = move || {
        INTERRUPTED.store(true, Ordering::Relaxed);
        drop(interrupts.send(End::Interrupted));
    };
    ctrlc::set_handler(interrupt).context("Ctrl-C cannot be caught")?;
    let page = Page { address, sender, ends };
    match args.encoding {
        Encoding::Cluster => {
            let mut model = ClusterModel::new(&scenario).context("the scenario has no cluster")?;
            if args.property == Some(Property::Linearizable) {
                model = model.with_history();
            }
            let asked: Vec<Property> = model.asked().collect();
            let hint = left_out(&scenario, &asked, "--property linearizable");
            page.open(held, model, asked, &format!("{READ_THE_TEXT}{hint}"))
        }
        Encoding::Actor => {
            let encoding = ActorEncoding::new(&scenario)?;
            let asked = encoding.asked();
            if let Some(property) = args.property.filter(|_| asked.is_empty()) {
                bail!(
                    "{property} cannot be told from the nodes' states and the clients' answers alone; \
                     use --encoding cluster"
                );
            }
            let hint = left_out(&scenario, &asked, "--encoding cluster");
            page.open(held, encoding.model(), asked, &format!("{ICONS}{hint}"))
        }
    }
}

/// The properties that the scenario asks and this page does not judge, and which option does.
fn left_out(scenario: &Scenario, asked: &[Property], instead: &str) -> String {
    let all = scenario.expect.iter().map(|(property, _)| property);
    let names: Vec<&str> =
        all.filter(|property| !asked.contains(property)).map(|property| property.name()).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("\nNot judged here: {}; use {instead}.", names.join(", ")),
    }
}

/// The page to be served, and what may end it.
struct Page {
    address: SocketAddr,
    sender: Sender<End>,
    ends: Receiver<End>,
}

impl Page {
    /// Searches, then serves at the port that is `held` until then.
    fn open<M: Explorable>(
        self,
        held: TcpListener,
        model: M,
        asked: Vec<Property>,
        hint: &str,
    ) -> anyhow::Result<ExitCode> {
        let Some(found) = self.check(&model, asked) else {
            eprintln!("interrupted while the scenario was being checked");
            return Ok(ExitCode::SUCCESS);
        };
        let (sentence, path) = found;
        drop(held);
        self.serve(model);
        if let Some(end) = self.wait_for_server() {
            return Ok(end);
        }
        let address = self.address;
        super::say(format_args!("{sentence}\nhttp://{address}{path}\n{hint}\nCtrl-C ends.\n"))?;
        Ok(self.ends.recv().map_or(ExitCode::SUCCESS, exit_code))
    }

    /// What the page opens at, as a sentence and a path; none if Ctrl-C comes first.
    fn check<M: Explorable>(&self, model: &M, asked: Vec<Property>) -> Option<(String, String)> {
        let spinner = ProgressBar::new_spinner();
        let mut report = |progress: &Progress| {
            spinner.set_message(format!("{} states checked", progress.unique));
            spinner.tick();
            true
        };
        let found = explore(model, &asked, interruptible(), &mut report);
        spinner.finish_and_clear();
        if found.hit_limit() {
            return None;
        }
        let shortest = found.refuted.iter().min_by_key(|(_, trace)| trace.len());
        match shortest {
            Some((property, trace)) => {
                let sentence =
                    format!("{property} is refuted, in no fewer than {} steps:", trace.len());
                Some((sentence, explorer_path(model, trace)))
            }
            None => {
                let sentence = match asked.len() {
                    0 => "No property is judged here; the page starts at the initial state:",
                    _ => {
                        "Every property judged here holds within the scenario's bounds; the page \
                         starts at the initial state:"
                    }
                };
                Some((sentence.into(), explorer_path(model, &[])))
            }
        }
    }

    /// Serves in a thread; whatever panics, there or in the checker's own threads, is noticed.
    fn serve<M: Explorable>(&self, model: M) {
        let (address, panics, stops) = (self.address, self.sender.clone(), self.sender.clone());
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            print(info);
            let _ = panics.send(End::Panicked);
        }));
        std::thread::spawn(move || {
            let _ = stops.send(End::Stopped(serve(model, address)));
        });
    }

    /// Waits until the page can be fetched, or until it is clear that it never will be.
    fn wait_for_server(&self) -> Option<ExitCode> {
        const PAUSE: Duration = Duration::from_millis(10);
        while TcpStream::connect(self.address).is_err() {
            match self.ends.recv_timeout(PAUSE) {
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Some(ExitCode::SUCCESS),
                Ok(end) => return Some(exit_code(end)),
            }
        }
        None
    }
}

fn exit_code(end: End) -> ExitCode {
    const SOFTWARE_FAILURE: u8 = 101;
    match end {
        End::Interrupted => return ExitCode::SUCCESS,
        End::Panicked => eprintln!("dynamo: the Explorer has stopped: see the panic above"),
        End::Stopped(error) => eprintln!("dynamo: {error}"),
    }
    SOFTWARE_FAILURE.into()
}
