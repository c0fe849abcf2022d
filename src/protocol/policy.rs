//! Choices that are known to be wrong: each bug of the museum is one decision, made otherwise.
//!
//! A decision is an enum whose first variant is what this protocol does. The others exist only under
//! the feature `museum`, so that a node built without it has none of them, and where a decision is
//! read, in one place each, the compiler sees whether all of them are dealt with. Nothing but a
//! scenario can choose one: [`Policy`] is set on a [`Config`](crate::config::Config), and no file of
//! a node has a key for it.

/// Declares the decisions: the first choice of each is the safe one.
macro_rules! decisions {
    ($(
        $(#[$about:meta])*
        $field:ident: $Decision:ident = $decision:literal {
            $(#[$about_safe:meta])*
            $Safe:ident = $safe:literal,
            $($(#[$about_choice:meta])* $Choice:ident = $choice:literal,)*
        }
    )*) => {
        $(
            $(#[$about])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub enum $Decision {
                $(#[$about_safe])*
                #[default]
                $Safe,
                $(
                    $(#[$about_choice])*
                    #[cfg(feature = "museum")]
                    $Choice,
                )*
            }
        )*

        /// Every decision that can be made otherwise; safe by default.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct Policy {
            $($(#[$about])* pub $field: $Decision,)*
        }

        impl Policy {
            /// The names of the decisions, each with those of its choices, the safe one first.
            pub const DECISIONS: &'static [(&'static str, &'static [&'static str])] = &[
                $(($decision, &[$safe, $(#[cfg(feature = "museum")] $choice,)*]),)*
            ];

            /// Makes a decision by its name; whether there is such a decision with such a choice.
            pub fn choose(&mut self, decision: &str, choice: &str) -> bool {
                match (decision, choice) {
                    $(
                        ($decision, $safe) => self.$field = $Decision::$Safe,
                        $(
                            #[cfg(feature = "museum")]
                            ($decision, $choice) => self.$field = $Decision::$Choice,
                        )*
                    )*
                    _ => return false,
                }
                true
            }

            /// What is decided, in the order of [`Self::DECISIONS`].
            pub fn choices(self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
                [$((
                    $decision,
                    match self.$field {
                        $Decision::$Safe => $safe,
                        $(
                            #[cfg(feature = "museum")]
                            $Decision::$Choice => $choice,
                        )*
                    },
                ),)*].into_iter()
            }

            /// The decisions that are not made as they should be.
            pub fn unsafe_choices(self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
                let safe = Policy::default();
                self.choices().zip(safe.choices()).filter(|(is, safe)| is != safe).map(|(is, _)| is)
            }
        }
    };
}

decisions! {
    // A: versions.

    /// Whose counter numbers a version.
    actor: ActorName = "actor" {
        /// That of one epoch in one life of the coordinator's disk.
        Epoch = "epoch",
        /// The coordinator's, through all its lives and epochs (bugs A2, A6, A15, B1, B2
        /// and G5).
        Node = "node",
        /// That of a moment in which other nodes may have begun as well (bug A5).
        StartTime = "start-time",
        /// The client's (bug A7).
        Client = "client",
    }

    /// Which counter a new version's is one past.
    counter: DotCounter = "counter" {
        /// The last that is on record here, unless somebody has heard of others: then it begins anew.
        Recorded = "recorded",
        /// The highest in the coordinator's copy; it begins anew only where there is none (bugs A3
        /// and A4).
        OfCopy = "of-copy",
        /// The highest in what the writer has read (bug A15).
        OfContext = "of-context",
        /// The last that is on record, whatever has become of the copy (bug A16).
        NeverReused = "never-reused",
    }

    /// What becomes of the record of a counter when the copy goes that it counts for.
    dropped_counter: DroppedCounter = "dropped-counter" {
        /// It goes as well.
        Forgotten = "forgotten",
        /// It stays (bug A16).
        Kept = "kept",
    }

    /// What of the coordinator's copy a put replaces.
    replaces: Replaces = "replaces" {
        /// What its context covers.
        Covered = "covered",
        /// All of it or nothing, as one clock stands for all siblings (bug A8).
        AllOrNothing = "all-or-nothing",
        /// Nothing: nobody looks at what the writer has read (bug H4).
        NothingRead = "nothing-read",
    }

    /// Which pairs a vector clock that has grown too long forgets.
    truncation: Truncation = "truncation" {
        /// The oldest, and that of the coordinator last of all.
        OldestFirst = "oldest-first",
        /// The newest, for they are sorted the wrong way round (bug A12).
        NewestFirst = "newest-first",
    }

    /// What a coordinator gives to the owners that are to take a key over.
    handover: Handover = "handover" {
        /// The object that it has made.
        Object = "object",
        /// The client's request as well, for them to coordinate (bug A9).
        Request = "request",
    }

    /// When a forwarded put goes to a second coordinator.
    second_coordinator: SecondCoordinator = "second-coordinator" {
        /// When the first has refused it, and so has not applied it.
        AfterRefusal = "after-refusal",
        /// When the first is silent as well (bug A10).
        AfterTimeout = "after-timeout",
    }

    // B: deletes.

    /// Who must have said yes before a tombstone goes.
    reap_rule: ReapRule = "reap-rule" {
        /// Every node of the cluster.
        EveryNode = "every-node",
        /// The key's primaries (bugs B1, B3, B6, B12).
        Primaries = "primaries",
        /// Nobody: its first primary removes its own when the delay is over (bugs B4, B5).
        Alone = "alone",
    }

    /// What becomes of a tombstone that could not be removed.
    failed_reap: FailedReap = "failed-reap" {
        /// It has its turn again.
        TriedAgain = "tried-again",
        /// It stays (bug B7).
        GivenUp = "given-up",
    }

    /// What a delete leaves behind.
    deletion: Deletion = "deletion" {
        /// A tombstone.
        Tombstone = "tombstone",
        /// Nothing: each replica removes what the delete covers (bug B11).
        Removal = "removal",
    }

    /// On whom a delete acts while data moves.
    moving_deletes: MovingDeletes = "moving-deletes" {
        /// On the owners in both layouts, as any put.
        Forwarded = "forwarded",
        /// On the old owners (bug B9).
        Kept = "kept",
    }

    // C: quorums.

    /// Whose answers count where a request says so itself.
    request_quorum: RequestQuorum = "request-quorum" {
        /// Those that it says.
        Honoured = "honoured",
        /// Those that the cluster's configuration says (bug C6).
        Ignored = "ignored",
    }

    /// What a client is told of a put that has not reached its quorum.
    failed_put: FailedPut = "failed-put" {
        /// That it may be applied, now or later.
        MaybeApplied = "maybe-applied",
        /// That it is not applied (bug C2).
        NotApplied = "not-applied",
    }

    /// Who stands in for silent replicas of a put when no other node is left.
    stand_in: StandIn = "stand-in" {
        /// Nobody: the put fails.
        Nobody = "nobody",
        /// Its coordinator, which then counts for several positions of the preference list (bug C7).
        Coordinator = "coordinator",
    }

    /// Whom read repair repairs.
    repair_set: RepairSet = "repair-set" {
        /// Owners that hold less than the others, be it nothing.
        AllThatLack = "all-that-lack",
        /// Owners that hold something older (bug C8).
        StaleOnly = "stale-only",
    }

    // D: hints.

    /// When a fallback gives up a hint.
    hint_release: HintRelease = "hint-release" {
        /// When its home has durably merged this very hint.
        WhenMerged = "when-merged",
        /// As soon as it is sent (bug D1).
        OnSend = "on-send",
        /// When its home has merged any hint of the key (bug D2).
        ByKey = "by-key",
    }

    /// What becomes of the copy that a node holds when another comes in.
    store: StoreCopy = "store" {
        /// Both are merged.
        Merge = "merge",
        /// The one that comes in takes its place (bug D4).
        Overwrite = "overwrite",
        /// Of two with one stamp the first stays, whoever made them (bug H3).
        FirstOfTie = "first-of-tie",
        /// The one that comes in is stamped by whoever stores it, then both are merged (bug A14).
        Restamped = "restamped",
    }

    /// Where a node finds out for whom it keeps hints.
    hint_index: HintIndex = "hint-index" {
        /// On its disk.
        OnDisk = "on-disk",
        /// In its memory, which a restart empties (bug D3).
        InMemory = "in-memory",
    }

    /// What becomes of a hint whose home does not own the key any more.
    homeless_hint: HomelessHint = "homeless-hint" {
        /// It goes to those that do.
        Rehomed = "rehomed",
        /// It is dropped (bug D5).
        Dropped = "dropped",
    }

    /// When an old owner gives up a copy that moves.
    donor: Donor = "donor" {
        /// When all new owners have said that they hold it, and the change has come to its end.
        KeepsUntilSettled = "keeps-until-settled",
        /// As soon as it is sent (bug D6).
        KeepsUntilSent = "keeps-until-sent",
    }

    // E and F: layouts and gossip.

    /// What an answer to a put counts for.
    tally: Counting = "tally" {
        /// For the replica that gives it, once.
        Replicas = "replicas",
        /// For one more replica, whoever gives it (bug E5).
        Messages = "messages",
    }

    /// Who must hold a put before it is answered, while data moves.
    put_quorum: PutQuorum = "put-quorum" {
        /// A quorum of the present owners, and one of the next.
        EachLayout = "each-layout",
        /// A quorum of the present owners; the next are sent it (bug E1).
        PresentLayout = "present-layout",
        /// Once one of the next owners seems to be down, a quorum of the present ones (bug E3).
        UnlessSuspected = "unless-suspected",
        /// A quorum of them all together (bug E6).
        AnyLayout = "any-layout",
    }

    /// From whom a new owner fetches what it is to own.
    fetch: Fetch = "fetch" {
        /// From all that own it.
        FromAll = "from-all",
        /// From any of them (bug E2).
        FromOne = "from-one",
    }

    /// On which owners gets act while data moves.
    moving_reads: MovingReads = "moving-reads" {
        /// On the present ones.
        Present = "present-owners",
        /// On the next ones (bug E4).
        Next = "next-owners",
    }

    /// What a get hears from an owner that has not fetched all that it owns.
    unsynchronised: Unsynchronised = "unsynchronised" {
        /// That its copy does not count.
        Refuses = "refuses",
        /// What there is of it (bug E4).
        Answers = "answers",
    }

    /// When a node agrees with what another one knows of the layouts.
    same_layout: SameLayout = "same-layout" {
        /// When it is the same, by its hash.
        Hash = "hash",
        /// When it has the same version (bug E7).
        Version = "version",
    }

    /// When the plan of an operator takes effect.
    commit: Commit = "commit" {
        /// When everybody has agreed, stage by stage.
        Agreed = "agreed",
        /// At once, where it is committed (bug E8).
        AtOnce = "at-once",
    }

    /// What a member does that finds its disk empty.
    empty_disk: EmptyDisk = "empty-disk" {
        /// It fetches what it owns from the others before it counts.
        Refill = "refill",
        /// It founds a cluster of its own (bug E11).
        FoundCluster = "found-cluster",
        /// It goes on as the one whose name it has (bug F7).
        SameNode = "same-node",
    }

    /// What a node answers to gossip of an older layout, of one for whom no change waits.
    stale_gossip: StaleGossip = "stale-gossip" {
        /// What it has missed.
        Answered = "answered",
        /// Nothing: it is old (bug F3).
        Ignored = "ignored",
    }

    /// Whether a change waits for those that are to join by it.
    joiners: Joiners = "joiners" {
        /// Like for all others.
        Awaited = "awaited",
        /// They will come (bug F6).
        OnTrust = "on-trust",
    }

    /// Whether a change waits for those that were declared down.
    declared_down: DeclaredDown = "declared-down" {
        /// It goes on without them.
        NotAwaited = "not-awaited",
        /// It waits for every member (bug F8).
        Awaited = "awaited",
    }

    // G: Merkle trees.

    /// What a tree says of a copy.
    tree_hash: TreeHash = "tree-hash" {
        /// A hash of its canonical form, values and version stamps.
        Canonical = "canonical",
        /// A hash that depends on how the copy came about (bug G1).
        ByArrival = "by-arrival",
        /// A hash of the version stamps alone (bug G5).
        ClocksOnly = "clocks-only",
    }

    /// When a tree's records reach the disk.
    tree_update: TreeUpdate = "tree-update" {
        /// Together with the copy that they describe.
        WithData = "with-data",
        /// Some time after it; what a crash loses is not made anew (bug G2).
        Later = "later",
    }

    /// What an exchange does with the other's object.
    exchange: Exchange = "exchange" {
        /// It merges it.
        Merges = "merges",
        /// It takes it over, whatever has come since the trees were compared (bug G3).
        Copies = "copies",
    }

    // H: time.

    /// What a node takes for the time.
    clock: Clock = "clock" {
        /// What its shell says.
        Shell = "shell",
        /// That, and as many ticks more as its number is: nothing keeps clocks together (bug H2).
        Skewed = "skewed",
    }
}
