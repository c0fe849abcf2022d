//! From the text of a scenario file to a [`Scenario`].

use super::{
    Cluster, Durability, Expectation, FORMAT, Faults, Gossip, MAX_BUDGET, MAX_CLIENTS,
    MAX_FILE_BYTES, MAX_NOTE_CHARS, MAX_OPERATORS, MAX_PUTS, MAX_STEPS, MAX_TITLE_CHARS, Mechanism,
    Membership, Order, Problem, Property, Quorum, ReadRepair, Scenario, ScenarioError, Schedule,
    Step, Switch, Tier, Versioning, ask_all,
    cluster::check_sizes,
    exhibit, names,
    table::{Located, Source, Table, text_of, wrong_type},
};
use dynamo_protocol::policy::Policy;
use toml::de::DeTable;

pub(super) const ROOT_KEYS: &[&str] = &[
    "format",
    "title",
    "schedule",
    "tier",
    "f",
    "note",
    "reaches",
    "cluster",
    "policy",
    "client",
    "membership",
    "faults",
    "expect",
];
pub(super) const CLUSTER_KEYS: &[&str] = &[
    "nodes",
    "n",
    "r",
    "w",
    "quorum",
    "versioning",
    "clock-limit",
    "read-repair",
    "handoff",
    "anti-entropy",
    "durability",
    "reap",
];
const CLIENT_KEYS: &[&str] = &["steps"];
const MEMBERSHIP_KEYS: &[&str] = &["founders", "operators", "gossips"];
const FAULT_KEYS: &[&str] =
    &["crashes", "drops", "duplicates", "timeouts", "disk-losses", "partitions", "total"];

/// Where each key belongs, for the one that was written elsewhere.
pub(super) const SCHEMA: &[(&str, &[&str])] = &[
    ("at the top of the file, above the first table", ROOT_KEYS),
    ("in a file of models/museum/", exhibit::KEYS),
    ("in [exhibit]", exhibit::CASES_KEYS),
    ("in [exhibit] beside [unsafe]", exhibit::WORLD_KEYS),
    ("in [cluster]", CLUSTER_KEYS),
    ("in [[client]]", CLIENT_KEYS),
    ("in [membership]", MEMBERSHIP_KEYS),
    ("in [faults]", FAULT_KEYS),
];

pub(super) fn scenario(text: &str, file: &str) -> Result<Scenario, ScenarioError> {
    document(text, file, |root| {
        root.only(ROOT_KEYS, SCHEMA)?;
        of_root(root, None)
    })
}

/// What `read` makes of a text as a table; `file` is what errors call it.
pub(super) fn document<T>(
    text: &str,
    file: &str,
    read: impl FnOnce(&Table<'_>) -> Result<T, ScenarioError>,
) -> Result<T, ScenarioError> {
    check_size(text.len(), file)?;
    let source = Source { file, text };
    let document = DeTable::parse(text).map_err(|error| source.not_toml(&error))?;
    read(&Table::root(source, document.get_ref()))
}

/// The scenario of a whole file; what stands in `above` is read in place of its cluster's settings
/// and decisions.
pub(super) fn of_root<'t>(
    root: &Table<'t>,
    above: Option<&Table<'t>>,
) -> Result<Scenario, ScenarioError> {
    check_format(root)?;
    let title = title(root)?;
    let cluster = cluster(root, above)?;
    let mut scenario = Scenario {
        title,
        schedule: root.name_or("schedule", Schedule::Concurrent)?,
        tier: root.name_or("tier", Tier::Default)?,
        f: root.bounded("f", 0, cluster.nodes)?.unwrap_or(1),
        note: note(root)?,
        clients: clients(root, cluster.nodes)?,
        faults: faults(root, &cluster)?,
        membership: membership(root, &cluster)?,
        reaches: Vec::new(),
        expect: expect(root)?,
        cluster,
    };
    scenario.reaches = reaches(root, &scenario)?;
    Ok(scenario)
}

/// Refuses a file of more than [`MAX_FILE_BYTES`].
pub(super) fn check_size(bytes: usize, file: &str) -> Result<(), ScenarioError> {
    if bytes <= MAX_FILE_BYTES {
        return Ok(());
    }
    let message = format!("the file has more than {MAX_FILE_BYTES} bytes");
    let problem = Problem::new(message, "shorten it");
    Err(ScenarioError::of_file(file, problem))
}

pub(super) fn check_format(root: &Table<'_>) -> Result<(), ScenarioError> {
    let example = format!("format = {FORMAT}");
    root.required("format", &example)?;
    let format = root.integer("format")?;
    let message =
        format!("format is {}; this dynamo reads format {FORMAT}", format.unwrap_or_default());
    let help = match format {
        Some(format) if format == i64::from(FORMAT) => return Ok(()),
        Some(format) if format > i64::from(FORMAT) => "use a newer dynamo".into(),
        _ => format!("write `{example}`"),
    };
    Err(root.problem_with("format", Problem::new(message, help)))
}

pub(super) fn title(root: &Table<'_>) -> Result<String, ScenarioError> {
    let title = root.required_string("title", "title = \"...\"")?;
    let message = if title.trim().is_empty() {
        "title is empty".into()
    } else if title.contains(char::is_control) {
        "title is more than one line of plain text".into()
    } else if title.chars().count() > MAX_TITLE_CHARS {
        format!("title has {} characters", title.chars().count())
    } else {
        return Ok(title.into());
    };
    let help = format!("write one line of 1 to {MAX_TITLE_CHARS} characters");
    Err(root.problem_with("title", Problem::new(message, help)))
}

fn note(root: &Table<'_>) -> Result<Option<String>, ScenarioError> {
    let note = root.string("note")?;
    let length = note.map_or(0, |note| note.chars().count());
    if length > MAX_NOTE_CHARS {
        let message = format!("note has {length} characters");
        let help = format!("use at most {MAX_NOTE_CHARS}");
        return Err(root.problem_with("note", Problem::new(message, help)));
    }
    Ok(note.map(String::from))
}

fn cluster<'t>(root: &Table<'t>, above: Option<&Table<'t>>) -> Result<Cluster, ScenarioError> {
    let value = root.required("cluster", "[cluster]")?;
    let table = Table::of(root.source, "[cluster]", value)?;
    table.only(CLUSTER_KEYS, SCHEMA)?;
    let table = table.under(above);
    let mut sizes = [0; 4];
    for (size, key) in sizes.iter_mut().zip(["nodes", "n", "r", "w"]) {
        *size = table.required_integer(key)?;
    }
    check_sizes(sizes).map_err(|(key, problem)| table.problem_with(key, problem))?;
    // Checked: all are at most MAX_NODES.
    let [nodes, n, r, w] = sizes.map(|size| size as u8);
    Ok(Cluster {
        nodes,
        n,
        r,
        w,
        quorum: table.name_or("quorum", Quorum::Strict)?,
        versioning: versioning(&table)?,
        read_repair: table.name_or("read-repair", ReadRepair::Async)?,
        handoff: table.name_or("handoff", Switch::On)?,
        anti_entropy: table.name_or("anti-entropy", Switch::Off)?,
        durability: table.name_or("durability", Durability::Durable)?,
        reap: table.name_or("reap", Switch::Off)?,
        policy: policy(root, above)?,
    })
}

/// The decisions of `[policy]`, and above them those of a file of the museum.
fn policy<'t>(root: &Table<'t>, above: Option<&Table<'t>>) -> Result<Policy, ScenarioError> {
    let own = root.get("policy").map(|value| Table::of(root.source, "[policy]", value));
    let own = own.transpose()?;
    let names: Vec<&str> = Policy::DECISIONS.iter().map(|(decision, _)| *decision).collect();
    if let Some(own) = &own {
        own.only(&names, SCHEMA)?;
    }
    let mut policy = Policy::default();
    for table in own.iter().chain(above) {
        for &(decision, choices) in Policy::DECISIONS {
            if let Some(choice) = table.string(decision)?
                && !policy.choose(decision, choice)
            {
                let problem = names::unknown(decision, choice, choices, &[]);
                return Err(table.problem_with(decision, problem));
            }
        }
    }
    Ok(policy)
}

fn versioning(cluster: &Table<'_>) -> Result<Versioning, ScenarioError> {
    let limit = cluster.bounded("clock-limit", 1, MAX_PUTS as u8)?;
    let versioning = match cluster.string("versioning")? {
        None | Some("dotted") => Versioning::Dotted,
        Some("vector-clock") => Versioning::VectorClock { limit },
        Some("last-writer-wins") => Versioning::LastWriterWins,
        Some(other) => {
            let problem = names::unknown("versioning", other, &Versioning::NAMES, &[]);
            return Err(cluster.problem_with("versioning", problem));
        }
    };
    if limit != versioning.clock_limit() {
        let message = format!(
            "clock-limit truncates vector clocks, but versioning is `{}`",
            versioning.name()
        );
        let help = "remove clock-limit or set versioning to `vector-clock`";
        return Err(cluster.problem_with("clock-limit", Problem::new(message, help)));
    }
    Ok(versioning)
}

fn clients(root: &Table<'_>, nodes: u8) -> Result<Vec<Vec<Step>>, ScenarioError> {
    let help = "add a `[[client]]` table with `steps = [\"get k\"]`";
    let Some(value) = root.get("client") else {
        return Err(root.problem(Problem::new("the file has no client", help)));
    };
    let Some(tables) = value.get_ref().as_array() else {
        let help = "write `[[client]]` with two brackets, once for each client";
        return Err(root.problem_with("client", wrong_type("client", value, help)));
    };
    if tables.is_empty() {
        return Err(root.problem_with("client", Problem::new("the file has no client", help)));
    }
    let mut clients = Vec::new();
    let mut puts = 0;
    for value in tables.iter() {
        let table = Table::of(root.source, "[[client]]", value)?;
        if clients.len() == MAX_CLIENTS {
            let message = format!("there are {} clients", tables.len());
            let help = format!("use at most {MAX_CLIENTS}");
            return Err(table.problem(Problem::new(message, help)));
        }
        clients.push(script(&table, nodes, &mut puts)?);
    }
    Ok(clients)
}

/// One client's steps; `puts` counts the puts of all clients so far.
fn script(client: &Table<'_>, nodes: u8, puts: &mut usize) -> Result<Vec<Step>, ScenarioError> {
    client.only(CLIENT_KEYS, SCHEMA)?;
    let value = client.required("steps", "steps = [\"get k\", \"put k\"]")?;
    let Some(steps) = value.get_ref().as_array() else {
        let help = "write an array of texts, such as `[\"get k\"]`";
        return Err(client.problem_with("steps", wrong_type("steps", value, help)));
    };
    if steps.is_empty() {
        let problem = Problem::new("a client has no steps", "give it one or remove the client");
        return Err(client.problem_with("steps", problem));
    }
    let mut script = Vec::new();
    for value in steps.iter() {
        let step = step(client.source, value, nodes)?;
        *puts += usize::from(step.is_put());
        let (what, limit) = if script.len() == MAX_STEPS {
            ("a client has", format!("{MAX_STEPS} steps"))
        } else if *puts > MAX_PUTS {
            ("the clients together have", format!("{MAX_PUTS} puts"))
        } else {
            script.push(step);
            continue;
        };
        let problem =
            Problem::new(format!("{what} more than {limit}"), "explore a smaller question");
        return Err(client.source.problem_at(value.span().start, problem));
    }
    Ok(script)
}

fn step(source: Source<'_>, value: &Located<'_>, nodes: u8) -> Result<Step, ScenarioError> {
    let fail = |problem| source.problem_at(value.span().start, problem);
    let step: Step = text_of(source, "a step", value)?.parse().map_err(fail)?;
    match step.contact {
        Some(node) if node >= nodes => Err(fail(Problem::new(
            format!("step `{step}` asks node {node}, which does not exist"),
            format!("the cluster's nodes are numbered 0 to {}", nodes - 1),
        ))),
        _ => Ok(step),
    }
}

fn membership(root: &Table<'_>, cluster: &Cluster) -> Result<Option<Membership>, ScenarioError> {
    let Some(value) = root.get("membership") else { return Ok(None) };
    let table = Table::of(root.source, "[membership]", value)?;
    table.only(MEMBERSHIP_KEYS, SCHEMA)?;
    let founders = table.bounded("founders", cluster.n, cluster.nodes)?.unwrap_or(cluster.nodes);
    let mut operators = Vec::new();
    for list in table.array("operators", "[[\"join 3@0\"]]")? {
        let Some(orders) = list.get_ref().as_array() else {
            let help = "write a list of orders for each operator, such as `[[\"join 3@0\"]]`";
            return Err(table.problem_with("operators", wrong_type("an operator", list, help)));
        };
        let order = |value| order(root.source, value, cluster.nodes);
        operators.push(orders.iter().map(order).collect::<Result<Vec<Order>, _>>()?);
    }
    if operators.len() > MAX_OPERATORS || operators.iter().any(|list| list.len() > MAX_OPERATORS) {
        let message = format!("there are more than {MAX_OPERATORS} operators, or orders of one");
        return Err(
            table.problem_with("operators", Problem::new(message, "ask a smaller question"))
        );
    }
    let mut gossips = Vec::new();
    for value in table.array("gossips", "[\"0-1\"]")? {
        let fail = |problem| root.source.problem_at(value.span().start, problem);
        let pair: Gossip = text_of(root.source, "a gossip", value)?.parse().map_err(fail)?;
        if pair.0.max(pair.1) >= cluster.nodes || pair.0 == pair.1 {
            let message = format!("gossip `{pair}` names no two nodes");
            let help = format!("the cluster's nodes are numbered 0 to {}", cluster.nodes - 1);
            return Err(fail(Problem::new(message, help)));
        }
        gossips.push(pair);
    }
    Ok(Some(Membership { founders, operators, gossips }))
}

fn order(source: Source<'_>, value: &Located<'_>, nodes: u8) -> Result<Order, ScenarioError> {
    let fail = |problem| source.problem_at(value.span().start, problem);
    let order: Order = text_of(source, "an order", value)?.parse().map_err(fail)?;
    let missing = order.nodes().find(|&node| node >= nodes);
    match missing {
        Some(node) => Err(fail(Problem::new(
            format!("order `{order}` names node {node}, which does not exist"),
            format!("the cluster's nodes are numbered 0 to {}", nodes - 1),
        ))),
        None => Ok(order),
    }
}

fn faults(root: &Table<'_>, cluster: &Cluster) -> Result<Faults, ScenarioError> {
    let Some(value) = root.get("faults") else {
        return Ok(Faults::default());
    };
    let table = Table::of(root.source, "[faults]", value)?;
    table.only(FAULT_KEYS, SCHEMA)?;
    let budget = |key| Ok(table.bounded(key, 0, MAX_BUDGET)?.unwrap_or(0));
    let faults = Faults {
        crashes: budget("crashes")?,
        drops: budget("drops")?,
        duplicates: budget("duplicates")?,
        timeouts: budget("timeouts")?,
        disk_losses: budget("disk-losses")?,
        partitions: budget("partitions")?,
        total: table.bounded("total", 0, MAX_BUDGET)?,
    };
    faults.check(cluster).map_err(|problem| table.problem_with("partitions", problem))?;
    Ok(faults)
}

/// The mechanisms demanded of the exploration of `scenario`, which is whole but for them.
fn reaches(root: &Table<'_>, scenario: &Scenario) -> Result<Vec<Mechanism>, ScenarioError> {
    let Some(value) = root.get("reaches") else {
        return Ok(Vec::new());
    };
    let Some(names) = value.get_ref().as_array() else {
        let help = "write an array of texts, such as `[\"read-repair\"]`";
        return Err(root.problem_with("reaches", wrong_type("reaches", value, help)));
    };
    let mut reaches = Vec::new();
    for value in names.iter() {
        let fail = |problem| root.source.problem_at(value.span().start, problem);
        let name = text_of(root.source, "a mechanism", value)?;
        let mechanism: Mechanism = name.parse().map_err(fail)?;
        mechanism.check(scenario).map_err(fail)?;
        if reaches.contains(&mechanism) {
            let message = format!("reaches names `{mechanism}` twice");
            return Err(fail(Problem::new(message, "name it once")));
        }
        reaches.push(mechanism);
    }
    reaches.sort();
    Ok(reaches)
}

fn expect(root: &Table<'_>) -> Result<Vec<(Property, Option<Expectation>)>, ScenarioError> {
    let Some(value) = root.get("expect") else {
        return Ok(ask_all());
    };
    let table = Table::of(root.source, "[expect]", value)?;
    let mut expect = Vec::new();
    for (name, offset, value) in table.entries() {
        let fail = |problem| root.source.problem_at(offset, problem);
        let property: Property = name.parse().map_err(fail)?;
        let fail = |problem| root.source.problem_at(value.span().start, problem);
        let verdict = text_of(root.source, name, value)?.parse().map_err(fail)?;
        expect.push((property, Some(verdict)));
    }
    if expect.is_empty() {
        let help = "remove the table to ask every property";
        return Err(table.problem(Problem::new("[expect] is empty and asks nothing", help)));
    }
    expect.sort();
    Ok(expect)
}
