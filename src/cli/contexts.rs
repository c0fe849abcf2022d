//! What a user has read of a key, kept from one `dynamo get` to the next `dynamo put`.
//!
//! One small JSON file for each cluster and key, in `$XDG_STATE_HOME/dynamo/contexts` or
//! `~/.local/state/dynamo/contexts`. A get writes it, a successful put or delete removes it.

use anyhow::{Context as _, Result, bail};
use dynamo_protocol::versions::Context;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::{env, fs};

/// Where to keep it.
pub(super) enum Place {
    /// In the user's state folder.
    StateFolder,
    /// In this file.
    File(PathBuf),
    /// Nowhere.
    Nowhere,
}

/// The context of one key.
pub(super) struct Contexts {
    file: Option<PathBuf>,
    nodes: String,
    key: String,
}

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Kept {
    nodes: String,
    key: String,
    /// Opaque: hexadecimal.
    context: String,
}

impl Contexts {
    pub(super) fn new(place: Place, nodes: &[SocketAddr], key: &str) -> Contexts {
        let mut nodes: Vec<String> = nodes.iter().map(SocketAddr::to_string).collect();
        nodes.sort();
        let nodes = nodes.join(",");
        let file = match place {
            Place::StateFolder => state_folder().map(|folder| {
                let name = blake3::hash(format!("{nodes}\n{key}").as_bytes()).to_hex();
                folder.join("contexts").join(format!("{}.json", &name[..32]))
            }),
            Place::File(file) => Some(file),
            Place::Nowhere => None,
        };
        Contexts { file, nodes, key: key.into() }
    }

    /// The context kept; `None` if there is none.
    pub(super) fn load(&self) -> Result<Option<Context>> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => bail!("cannot read the context in {}: {error}", file.display()),
        };
        let broken = || format!("{} holds no context; remove it", file.display());
        let kept: Kept = serde_json::from_str(&text).with_context(broken)?;
        if kept.key != self.key {
            bail!("{} holds the context of key {:?}; name another", file.display(), kept.key);
        }
        let bytes = unhex(&kept.context).with_context(broken)?;
        postcard::from_bytes(&bytes).map(Some).with_context(broken)
    }

    /// Keeps `context`.
    pub(super) fn store(&self, context: &Context) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let kept = Kept {
            nodes: self.nodes.clone(),
            key: self.key.clone(),
            context: hex(&postcard::to_allocvec(context)?),
        };
        let write = || -> std::io::Result<()> {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(file, serde_json::to_string_pretty(&kept)? + "\n")
        };
        write().with_context(|| format!("cannot keep the context in {}", file.display()))
    }

    /// Forgets what is kept: it has been replaced.
    pub(super) fn clear(&self) {
        if let Some(file) = &self.file {
            // If it stays, a later put replaces what is replaced already, and nothing else.
            let _ = fs::remove_file(file);
        }
    }
}

fn state_folder() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME");
    let home = || absolute("HOME").map(|home| home.join(".local/state"));
    state.or_else(home).map(|state| state.join("dynamo"))
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    if text.len() % 2 == 1 {
        return None;
    }
    (0..text.len()).step_by(2).map(digits).collect()
}
