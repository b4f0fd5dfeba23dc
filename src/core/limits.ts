// Every bound of keymesh, with its unit and why it has that value. A bound that an operator may change has its default here.
// Long, because bounds are looked for in one place: whoever changes one sees those that it must stay within.

// --- Entries and records -------------------------------------------------------------------------------------------
/** Bytes of one signed entry. Keystone refuses bodies over 114,688 bytes, so nothing it holds needs more. */
export const ENTRY_BYTES_MAX = 128 * 1024;
/** Bytes of an entry beside its fields, at most: mesh, set, kind, ID, stamp, origin, and for whom its values were written anew. */
export const ENTRY_ENVELOPE_BYTES_MAX = 1_024;
/** Fields in one entry. A project has 8; an authority record one per signer, of at most 100 clouds. */
export const ENTRY_FIELDS_MAX = 256;
/** Characters of a field's name. `signer/` and a peer ID take 59. */
export const FIELD_NAME_LENGTH_MAX = 128;
/** Depth of a field's value. Our deepest (a roster) has 3; the rest is room. */
export const FIELD_DEPTH_MAX = 8;
/** Characters of a record's ID. Keystone's have 32, peer IDs 52, hashes 64. */
export const RECORD_ID_LENGTH_MAX = 128;
/** Entries of one signer, in one set, that don't count (yet) and are kept aside for a grant still under way. */
export const ASIDE_ENTRIES_MAX = 1_000;
/** Signers in one set that may have entries aside: keys cost nothing, so a bound for each is none. As many as members. */
export const ASIDE_SIGNERS_MAX = 1_000;
/** Fields (those of unknown kinds too) of a newer node that are kept and relayed for one signer and scope in one set. */
export const UNKNOWN_ENTRIES_MAX = 1_000;
/** Characters of a text value: the longest body that Keystone takes. */
export const TEXT_LENGTH_MAX = 114_688;
/** Characters of a name: four UTF-16 units for each of Keystone's 64, so that no name of a Keystone is refused here. */
export const NAME_LENGTH_MAX = 255;
/** Key objects that are kept for verifying: four times the largest mesh, so that outsiders' keys push none out for long. */
export const PUBLIC_KEYS_MAX = 4_096;
/** Records of one set. Ten times the largest domain that we design for, one tenth of all memory at 1,000,000. */
export const SET_RECORDS_MAX = 1_000_000;
/** Sets of one owner: a cloud with more domains than this splits its mesh. */
export const SETS_PER_OWNER_MAX = 10_000;
/** Sets that one signer may open in the name of others, by writing there before the owner's own word has come. */
export const FOREIGN_SETS_MAX = 100;

/** Texts remembered so that entries share them, and characters of the longest: peer IDs, set names, parents, tags. 2 MB. */
export const SHARED_TEXTS_MAX = 8_192;
export const SHARED_TEXT_LENGTH_MAX = 128;

// --- Clock ---------------------------------------------------------------------------------------------------------
/** How far a stamp may lead our clock. NTP keeps clouds within a second; a minute forgives a sick one. */
export const DRIFT_MAX_MS = 60_000;
/** Greatest counter of a stamp: time packs into 8 bytes, 48 bits of milliseconds and 16 of counter. */
export const STAMP_COUNTER_MAX = 0xffff;
/** Entries of one signer that are ahead of our clock and held until due: a day of edits by a clock that is wrong. */
export const HELD_ENTRIES_MAX = 1_000;
/** Bytes of those, so that a signer of large entries holds no more memory than one of small ones: 4 KB for each. */
export const HELD_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes of all held entries, of whichever signers: sixteen clouds may be wrong at once. */
export const HELD_BYTES_IN_ALL_MAX = 64 * 1024 * 1024;
/** Milliseconds for which what was last heard of a member's clock tells ours: a good oscillator drifts 60 ms in it. */
export const CLOCK_HEARD_MS = 600_000;
/** Milliseconds after its start for which a node signs no edits before it heard another voter: its clock may not be set yet. */
export const CLOCK_WAIT_MS = 30_000;
/** Least milliseconds by which a clock is called off, however small driftMaxMs is: heartbeats may take as long to come. */
export const CLOCK_OFF_MIN_MS = 1_000;
/** Readings of a member's clock, the greatest of which counts: the way takes time, so each can only look behind. */
export const CLOCK_READINGS_MAX = 5;

// --- Mesh ----------------------------------------------------------------------------------------------------------
/** Members of one mesh. Ten times the federation that we design for in daily use. */
export const MEMBERS_MAX = 1_000;
/** Bytes of one gossip message. Far below gossipsub's inbound limit: one over it is lost without an error. */
export const GOSSIP_MESSAGE_BYTES_MAX = 192 * 1024;
/** Bytes that gossipsub takes in one RPC: several messages ride in one. */
export const GOSSIP_RPC_BYTES_MAX = 4 * 1024 * 1024;
/** Messages that gossipsub takes in one RPC, of which ours have one each: all are verified before anything else has its turn. */
export const GOSSIP_RPC_MESSAGES_MAX = 8;
/** Entries in one gossip message: a bound on the work that one message can cause (256 verifies are 18 ms). */
export const GOSSIP_ENTRIES_MAX = 256;
/** Bytes of one sync message: a page holds at least one entry of the greatest size. */
export const SYNC_MESSAGE_BYTES_MAX = 256 * 1024;
/** Records asked for in one pull: those of a project fill half a message, and a page is synced to disk before the next. */
export const SYNC_PULL_KEYS_MAX = 400;
/** Versions, features and characters of one that a hello may name: we know one version and no feature yet. */
export const SYNC_VERSIONS_MAX = 16;
export const SYNC_FEATURES_MAX = 32;
export const SYNC_FEATURE_LENGTH_MAX = 32;
/** Sets that one question about settled sets may name: about 200 bytes each. */
export const SYNC_SETTLED_MAX = 500;
/** Entries in one answer: the smallest takes 250 bytes, signature and all. */
export const SYNC_ENTRIES_MAX = 2_000;
/** Requests of one sync session: 1,000,000 records are 500 answers about ranges, and 2,500 pulls or 2,500 offers. */
export const SYNC_ROUNDS_MAX = 10_000;
/** Milliseconds that a sync session waits for one answer. */
export const SYNC_ANSWER_TIMEOUT_MS = 20_000;
/** Milliseconds of a whole session: a peer that answers just in time, for ever, must not keep a place. What came is kept. */
export const SYNC_SESSION_MAX_MS = 600_000;
/** Milliseconds that planning waits for sessions to end: a slow peer must not keep Keystone from what we hold. */
export const SYNC_PLAN_WAIT_MAX_MS = 60_000;
/** Milliseconds without news after which a session makes no plan wait: a page comes in one, and a silent member must not keep a cloud still. */
export const SYNC_PLAN_STALL_MS = 5_000;
/** Milliseconds that a domain may wait to be settled after a revoke before it shows as held: a member that is away comes back sooner. */
export const SETTLE_WAIT_MAX_MS = 600_000;
/** Sync sessions served at once, in all and for one peer. */
export const SYNC_SESSIONS_MAX = 16;
export const SYNC_SESSIONS_PER_PEER_MAX = 2;
/** Sync sessions of our own at once, one for each peer: more would only share one core's verifying. The others wait. */
export const SYNC_ASKING_MAX = 4;
/** Those beside them with members whose last one broke off: as many silent ones as there are places must not take all. */
export const SYNC_ASKING_DOUBTFUL_MAX = 1;
/** Pushes of limited sets under way at once, in all; and entries that wait for one peer, above which anti-entropy brings them. */
export const SYNC_PUSHING_MAX = 8;
export const SYNC_PUSH_ENTRIES_MAX = 2_000;
/** Heartbeats in a row with a root that isn't ours, after which a session is due: one may just have crossed an entry. */
export const SYNC_HEARTBEATS_DIFFER = 2;
/** Milliseconds between anti-entropy sessions with a random member, before jitter. */
export const SYNC_INTERVAL_MS = 30_000;
/** Milliseconds from a peer's differing root to a session of our own: two nodes that differ must not chase each other. */
export const SYNC_REPLY_GAP_MS = 1_000;
/** Milliseconds between heartbeats, before jitter of a tenth: a duplicate key shows within half a minute, at 40 bytes a second. */
export const HEARTBEAT_INTERVAL_MS = 10_000;
/** Bytes of one heartbeat as it is gossiped: hashes and IDs in text, and room for what a newer node adds. */
export const HEARTBEAT_BYTES_MAX = 512;
/** Characters of the words in a heartbeat: Keystone's state, and a version such as 12.34.56-rc.1. */
export const HEARTBEAT_WORD_LENGTH_MAX = 16;
/** Peers that a heartbeat may name as heard from two processes: more than one at a time is no accident any more. */
export const HEARTBEAT_DOUBLES_MAX = 2;
/** Intervals after which a member that is connected but from which no heartbeat came is silent in gossip. */
export const HEARTBEATS_MISSED_MAX = 3;
/** Least milliseconds between two renewals of one member's connection: a peer that sends none must not be cut off for ever. */
export const RENEW_GAP_MS = 60_000;
/** Milliseconds by which a relayed heartbeat may be later than its sender's last ones: above, it is a replay. */
export const HEARTBEAT_STALE_MS = 60_000;
/** Processes remembered for one member: the latest, and those that replays could come from. */
export const INSTANCES_MAX = 4;
/** Heartbeats of our own key but of another process after which it runs for sure, though its clock is behind our start. */
export const FOREIGN_BEATS_MIN = 3;
/** Milliseconds after which the alarm about a key that two processes use ends, if nothing more is heard of it. */
export const DUPLICATE_CLEAR_MS = 300_000;
/** Milliseconds for which our own heartbeats name such a key after we last heard it twice. */
export const DUPLICATE_TOLD_MS = 60_000;
/** Voters below which the recovery key stands in for one: from three on a lost key leaves a majority. */
export const RECOVERY_VOTERS_BELOW = 3;
/** Rosters of a history that don't stand: whoever may sign could sign any number. The latest versions are told. */
export const HISTORY_ASIDE_MAX = 100;
/** Members that a leaving node tells itself, one session each: the others hear it from them. */
export const LEAVE_TELLS_MAX = 4;
/** Tries to tell one of them, half a second apart: it may be hearing it by gossip, and ending the connection, just now. */
export const LEAVE_TRIES_MAX = 6;
/** Characters of a roster's hash that name it to a verb, at least: 8 tell apart all that a mesh ever has. */
export const ROSTER_NAME_LENGTH_MIN = 8;
/** Bytes of a file with a recovery key that we read: the key has 83, the rest is what people write around it. */
export const RECOVERY_KEY_BYTES_MAX = 1_024;
/** Milliseconds that `join` waits for the roster before it says that the node goes on alone. */
export const JOIN_WAIT_MS = 20_000;
/** Refused peers remembered as pending: an outsider can't grow our memory. The oldest knock goes first. */
export const KNOCKS_MAX = 100;
/** Bytes of a name claimed in a handshake: a cloud's longest, four bytes each, and what marks it. */
export const CLAIM_BYTES_MAX = 4 * 64 + 32;
/** Claims noted between a handshake and the gate's question: as many handshakes as may be under way at once. */
export const CLAIMS_MAX = 100;
/** Milliseconds between dials to a member that is away: doubled from the first to the last, for ever. */
export const REDIAL_MIN_MS = 500;
export const REDIAL_MAX_MS = 60_000;
/** Malformed messages from one peer within an hour before its connection is closed. */
export const MALFORMED_PER_HOUR_MAX = 20;
/** Peers that one cloud may block: as many as a mesh has members. */
export const BLOCKS_MAX = MEMBERS_MAX;
/** Addresses of one member. */
export const ADDRESSES_MAX = 16;
/** Milliseconds that one dial may take over all addresses of a member, and until the peer must have proved that it admits us. */
export const DIAL_TIMEOUT_MS = 15_000;
export const ADMISSION_TIMEOUT_MS = 10_000;
/** Milliseconds a connection must last before its end counts as news and not as one more failure. */
export const LINK_STEADY_MS = 60_000;
/** Milliseconds between probes of a connection and for one answer, and misses in a row after which it is dead: TCP alone takes a quarter of an hour. */
export const PROBE_INTERVAL_MS = 15_000;
export const PROBE_TIMEOUT_MS = 10_000;
export const PROBES_MISSED_MAX = 2;
/** Connections at once: two with each member (both may have dialled), and some to greet newcomers. */
export const CONNECTIONS_MAX = 2 * MEMBERS_MAX + 100;
/** Connections taken from one host in one second: a whole federation behind one address may start at once, a flood may not. */
export const INBOUND_PER_HOST_PER_SECOND_MAX = 50;
/** Milliseconds between two log lines about one knocking peer, and lines about all of them in that time. */
export const KNOCK_LOG_INTERVAL_MS = 60_000;
export const KNOCK_LOGS_MAX = 10;
/** Milliseconds over which malformed messages are counted, and for which a peer is then refused. */
export const MALFORMED_WINDOW_MS = 3_600_000;
/** Bytes of gossip waiting for one slow peer, after which its gossip stream is given up: 40 of the largest messages. */
export const GOSSIP_OUTBOUND_BYTES_MAX = 8 * 1024 * 1024;
/** Gossip of one peer being judged at once, in messages and bytes; what comes above is left to anti-entropy, which takes half a minute. */
export const GOSSIP_PENDING_MAX = 1_024;
export const GOSSIP_PENDING_BYTES_MAX = 12 * 1024 * 1024;
/** Entries refused of one peer's gossip within a minute, above which its gossip is left unread until that is over: 70 ms of verifying. */
export const GOSSIP_WASTE_MAX = 1_000;
export const GOSSIP_WASTE_WINDOW_MS = 60_000;
/** Our own latest gossip, kept for peers that subscribe a moment too late: messages, milliseconds, and sendings of one message. */
export const OUTBOX_MESSAGES_MAX = 64;
export const OUTBOX_AGE_MAX_MS = 5_000;
export const OUTBOX_SENDINGS_MAX = 4;
/** Milliseconds that a served sync session may wait for the next request: a page is made durable in between. */
export const SYNC_IDLE_TIMEOUT_MS = 60_000;
/** Milliseconds for the whole of a welcome: dial, admission and answer. */
export const WELCOME_TIMEOUT_MS = 20_000;
/** Bytes that may come on a stream before its peer is told that more may: a quarter of the least window that yamux gives. */
export const YAMUX_UNACKNOWLEDGED_BYTES_MAX = 64 * 1024;

// --- Keystone ------------------------------------------------------------------------------------------------------
/** Milliseconds between scans of Keystone by default, and how many times a scan's own duration must lie between two. */
export const SCAN_INTERVAL_MS = 5_000;
export const SCAN_DUTY_FACTOR = 20;
/** Longest time, in milliseconds, that a write whose answer we never saw may still land in Keystone. */
export const WRITE_LANDS_MAX_MS = 600_000;
/** Writes to one object that nobody answered, beside the latest one: as many as are tried within WRITE_LANDS_MAX_MS, and more. */
export const INTENTS_EARLIER_MAX = 16;
/** Milliseconds from a remote delete (disabled at once) to the delete itself. */
export const DELETE_GRACE_MS = 24 * 3_600_000;
/** Deletes from one origin within an hour, and within a day, above which they are held for an operator: more than people do by hand. */
export const DELETES_PER_HOUR_MAX = 10;
export const DELETES_PER_DAY_MAX = 50;
/** Projects of one domain missing at once, above which that is held for an operator. */
export const MISSING_AT_ONCE_MAX = 10;
/** Percent of a domain that one origin deletes within a day, or that is missing at once, above which that is held; and how many projects are never called a share. */
export const SHARE_PERCENT_MAX = 50;
export const GUARD_SHARE_LEAST = 5;
/** Milliseconds without a whole session after which a node was away, and from its end on in which what is held is put down to that. */
export const AWAY_LEAST_MS = 3_600_000;
export const AWAY_NEWS_MS = 600_000;
/** Milliseconds between two notes of when others were heard last: more exact it needn't be. */
export const AWAY_NOTE_MS = 600_000;
/** Values that a bad day replaced, as they are listed for the operator: beyond these it was no edit by hand but the old copy. */
export const REPLACED_MAX = 1_000;
/** Objects that `hold show` lists one by one; it counts the others. */
export const HOLD_ITEMS_MAX = 10_000;
/** Domains for which keymesh.yaml has guards of their own: those that need it, not a list of all. */
export const GUARD_DOMAINS_MAX = 1_000;
/** Milliseconds that one request to Keystone may take: a list of 50,000 projects takes 4 s, a sick server far more. */
export const KEYSTONE_REQUEST_TIMEOUT_MS = 60_000;
/** Projects asked for in one page of a scan: Keystone 27 and later cap a page at 1,000. */
export const KEYSTONE_PAGE_SIZE = 1_000;
/** Bytes of one answer of Keystone that we read: 50,000 projects are 18 MB. */
export const KEYSTONE_ANSWER_BYTES_MAX = 128 * 1024 * 1024;
/** Milliseconds between tries of a change that Keystone refused: doubled from the first to the last. */
export const STUCK_RETRY_MIN_MS = 1_000;
export const STUCK_RETRY_MAX_MS = 300_000;
/** Tries of a change after which healing no longer waits for it: what Keystone refuses for good must not keep a cloud ill for good. */
export const HOPELESS_TRIES = 4;
/** Bytes of a text above which MariaDB may break off: the size of a column of type TEXT. */
export const DATABASE_TEXT_BYTES_MAX = 65_535;
/** Times that Keystone breaks off at one value alone, and holds what it held, before the value is taken for the cause: a restart breaks off once. */
export const UNFIT_TRIES = 3;
/** Milliseconds until what a Keystone couldn't hold is tried there again: a day, for somebody converts a database by plan. A restart of the node asks at once. */
export const UNFIT_RETRY_MS = 86_400_000;
/** Milliseconds until a value that got no answer is tried again, doubled with each further silence: the network may have been the cause. */
export const UNFIT_SILENT_RETRY_MIN_MS = 30_000;
export const UNFIT_SILENT_RETRY_MAX_MS = 600_000;
/** Values remembered as refused by this Keystone; of more the oldest are tried again. 2 MB of names, a signer's flood no more. */
export const UNFIT_VALUES_MAX = 10_000;
/** Fields changed by two clouds at once that are kept to be shown, characters of each value, and milliseconds: two weeks, as long as people are away. 100 KB. */
export const EDIT_CONFLICTS_MAX = 200;
export const EDIT_CONFLICT_VALUE_LENGTH_MAX = 200;
export const EDIT_CONFLICT_SHOWN_MS = 14 * 86_400_000;
/** Tries of one read, and milliseconds before the second, doubled from then on: a restart of Keystone takes 2 to 3 s. */
export const KEYSTONE_READ_TRIES_MAX = 5;
export const KEYSTONE_READ_RETRY_MS = 250;
/** Milliseconds to connect to Keystone: it stands beside us. */
export const KEYSTONE_CONNECT_TIMEOUT_MS = 10_000;
/** Connections to Keystone at once: eight writers doubled its speed, more gain nothing and starve its other clients. */
export const KEYSTONE_CONNECTIONS_MAX = 8;
/**
 * Changes under way to Keystone at once: eight in requests, the others in the store before or after theirs, so that a
 * Keystone with several processes never waits for our disk.
 */
export const APPLY_ACTIONS_MAX = 12;
/** Creations that are ready together from which on they go into Keystone's database as rows, where the operator allows that: it tells no other service of them. */
export const INSERT_AT_ONCE_MIN = 20;
/** Milliseconds of carrying changes out before the plan is made anew: what came meanwhile must not wait for 10,000 others. */
export const APPLY_SLICE_MS = 5_000;
/** Writes in a row that Keystone left unanswered, above which it is left alone for a while: five may be bad luck. */
export const UNANSWERED_WRITES_MAX = 5;
/** Domains that one node may log in to one by one (`keystone.domains`): each is a token, and a login each hour. */
export const LOGIN_DOMAINS_MAX = 100;
/** Milliseconds until a domain's login is tried again that Keystone refused, doubled up to the second: many wrong ones lock an account. */
export const LOGIN_REFUSED_RETRY_MIN_MS = 5_000;
export const LOGIN_REFUSED_RETRY_MAX_MS = 300_000;
/** Projects of which a login for several domains remembers the domain, to ask with the right token at once. */
export const PROJECT_DOMAINS_KNOWN_MAX = 100_000;
/** Milliseconds that `keymesh keystone check` waits for an event of what it wrote: Keystone sends it before it answers. */
export const CHECK_EVENT_WAIT_MS = 2_000;
/** Times that a scan starts anew because the project that it stood at was deleted. */
export const SCAN_RESTARTS_MAX = 5;
/** Characters of Keystone's own words that an error repeats: a schema error quotes the whole body. */
export const KEYSTONE_WORDS_LENGTH_MAX = 300;
/** Objects that a confirmation reads one by one; above it, one list of the domain is cheaper (a list of 1,000 is 0.4 s). */
export const CONFIRM_READS_MAX = 20;
/** Milliseconds after which a domain of which nothing changed is planned again: a guard's window may have moved on, or a peer have a new name. */
export const PLAN_KEPT_MS = 60_000;
/** Plans made and carried out in a row before the loop looks at the clock again: a subtree needs one for each kind of step. */
export const PLAN_PASSES_MAX = 8;
/**
 * Milliseconds from one plan's start to the next one's, and at least this many times what a plan took: changes that
 * stream in are planned together, and a large domain costs a bounded part of a core. The first after a pause waits for nothing.
 */
export const PLAN_SPACING_MS = 50;
export const PLAN_DUTY_FACTOR = 2;
/** Longest wait in milliseconds before a Keystone that failed is tried again. */
export const RETRY_MAX_MS = 60_000;
/** Seconds before its end at which a token is renewed. */
export const TOKEN_RENEW_SECONDS = 300;
/** Levels of projects below their domain: Keystone's own max_project_tree_depth. */
export const PROJECT_DEPTH_MAX = 5;
/** Bytes of the JSON body of one request that Keystone takes ([oslo_middleware] max_request_body_size). */
export const KEYSTONE_BODY_BYTES_MAX = 114_688;

// --- Keystone's database -------------------------------------------------------------------------------------------
/** Projects created in one call by rows in Keystone's database: a second of work, so that a stop or an edit waits no longer. */
export const CREATE_BATCH_MAX = 2_000;
/** Rows in one INSERT: 8 values each, far below the fewest placeholders that a database takes (32,766). */
export const DATABASE_INSERT_ROWS = 200;
/** IDs in one question for projects by their IDs: as above. */
export const DATABASE_LOOKUP_ROWS = 1_000;
/** Milliseconds to connect and log in, for one statement, and to wait for another's lock: 50,000 projects take 0.5 s to read. */
export const DATABASE_CONNECT_TIMEOUT_MS = 5_000;
export const DATABASE_STATEMENT_TIMEOUT_MS = 30_000;
export const DATABASE_LOCK_TIMEOUT_MS = 2_000;
/** Milliseconds of a wait for SQLite's one lock, in which this process does nothing else: Keystone's writes take some. */
export const SQLITE_LOCK_TIMEOUT_MS = 250;
/** Rows read from SQLite before others have their turn: 5 ms, as it reads on the node's own thread. */
export const SQLITE_ROWS_AT_ONCE = 2_000;
/**
 * Tries of a batch that another's lock, or a cluster's other member, made the database take back, and milliseconds before
 * the second, one time more before each further one: locks of a Keystone that is busy last some tenths of a second.
 */
export const DATABASE_TRIES_MAX = 5;
export const DATABASE_BUSY_WAIT_MS = 100;
/** Milliseconds for which a database that failed, or isn't this Keystone's, is left alone and the API is read. */
export const DATABASE_RETRY_MS = 60_000;
/** Milliseconds for which a comparison with the API proves that the database is this Keystone's own. */
export const DATABASE_PROOF_MS = 3_600_000;
/** Bytes of a file that holds the database's URL. */
export const DATABASE_URL_BYTES_MAX = 4_096;

/** Keystone's own bounds on a project (KEYSTONE API: name 64, 80 tags of 255). */
export const PROJECT_NAME_LENGTH_MAX = 64;
export const PROJECT_TAGS_MAX = 80;
export const PROJECT_TAG_LENGTH_MAX = 255;

// --- Operating -----------------------------------------------------------------------------------------------------
/** Holds shown and kept; a further one is counted in the last. */
export const HOLDS_MAX = 1_000;
/** Distinct rejection counters (peer and code) kept in memory: two dozen codes for each of 400 offenders. */
export const REJECTION_COUNTERS_MAX = 10_000;
/** Characters of what is remembered of the last refusal of each counter. 2 MB for all of them. */
export const REJECTION_DETAIL_LENGTH_MAX = 200;
/** Words of one signer that lost or don't count, and that no record keeps: for `project explain`, since the node's start. */
export const LOST_ENTRIES_MAX = 200;
/** Bytes of those of one signer, so that large entries hold no more than small ones; and of all signers' together. */
export const LOST_BYTES_MAX = 256 * 1024;
export const LOST_BYTES_IN_ALL_MAX = 8 * 1024 * 1024;
/** Rivals of one field, and claims of other owners, that `project explain` lists: the latest. */
export const EXPLAIN_RIVALS_MAX = 20;
/** Bytes of one request to the control socket. */
export const CONTROL_BODY_BYTES_MAX = 1024 * 1024;

// --- Store ---------------------------------------------------------------------------------------------------------
/** Bytes of waiting writes that share one sync: LevelDB's own write buffer, so one commit fills at most one. */
export const STORE_COMMIT_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes that may wait to be written: a disk that hangs must not fill the memory. Writers are refused above it. */
export const STORE_PENDING_BYTES_MAX = 256 * 1024 * 1024;
/** Keys of one commit that are read on the main thread: some microseconds each, or one turn of the disk if they are cold. */
export const STORE_READ_HERE_MAX = 4;
/** Checksums of what was written last, kept so that writing it again needs no read: some 200 bytes each. */
export const STORE_SUMS_MAX = 256;
/** Keys, and bytes, read from the store at once: a project's record has about 600 bytes. */
export const STORE_READ_PAGE_SIZE = 1_000;
export const STORE_READ_PAGE_BYTES = 1024 * 1024;
/** Milliseconds that the command line waits for an answer: a plan over 50,000 projects takes seconds, a join tens of them. */
export const CONTROL_ANSWER_TIMEOUT_MS = 180_000;
/** Bytes of a unix socket's path: sun_path has 108 on Linux, the last of them 0. */
export const SOCKET_PATH_BYTES_MAX = 107;
/** Bytes of a keymesh.yaml that we read: the one that init writes has 2 KB. */
export const CONFIG_BYTES_MAX = 256 * 1024;
/** Characters of a cloud's own name, as its fellow members see it. */
export const CLOUD_NAME_LENGTH_MAX = 64;
/** Least milliseconds between two scans: below, Keystone does little else. */
export const SCAN_INTERVAL_MIN_MS = 100;
/** Greatest interval in milliseconds: timers of Node count in 32 bits, and fire at once above this. */
export const INTERVAL_MAX_MS = 2 ** 31 - 1;
/** Greatest grace of a delete, a year: longer is no grace but an opt-out. */
export const DELETE_GRACE_LONGEST_MS = 365 * 86_400_000;
/** Greatest drift that an operator may allow, a day: entries are held no longer (DESIGN section 2). */
export const DRIFT_LONGEST_MS = 86_400_000;
/** Tries to take a data directory whose lock is stale: each loses only to another process that does the same. */
export const LOCK_TRIES_MAX = 5;
/** Levels of nesting in one log line: deeper is cut, so that no object of a library fills the disk. */
export const LOG_DEPTH_MAX = 6;
/** Milliseconds after a clean stop before the process ends, even if something still holds it open. */
export const EXIT_LINGER_MS = 1_000;

// --- Range reconciliation ------------------------------------------------------------------------------------------
/** Bytes of one message about ranges: some thousand fingerprints, and milliseconds of work to answer. What is left waits for the next. */
export const RANGE_MESSAGE_BYTES_MAX = 64 * 1024;
/** Questions of one session: 1,000,000 versions of which each differs are named in 500 answers, paged through in twice that. */
export const RANGE_ROUNDS_MAX = 4_000;
/** Bytes of one session in both directions, without records: 1,000,000 names take 30 MB. */
export const RANGE_SESSION_BYTES_MAX = 128 * 1024 * 1024;
/** Versions of a range that are told one by one (6 bytes each) instead of by further fingerprints (13 bytes each). */
export const RANGE_LEAF_MAX = 32;
/** Parts of a range that differs. Eight cost the fewest bytes that leave 1,000,000 records within four round trips. */
export const RANGE_PARTS = 8;
/** Parts of a whole set, which are paid once and not for each difference: they save the rounds that 1,000,000 need more. */
export const RANGE_PARTS_MAX = 128;
/** Versions that one answer may hash one by one: 20 ms, so that no question keeps a node busy. */
export const RANGE_HASHED_MAX = 16_384;
/** Versions in the random slice of a session: 0.3 ms of hashing, and 100,000 are gone through in 25 sessions. */
export const SLICE_MAX = 4_096;
/** Sets that are told one by one where the roots of roots differ (115 bytes each); more are told in 256 buckets first (8 each). */
export const SETS_LISTED_MAX = 32;
/** Ranges a session remembers as called equal, to choose its slice from. */
export const RANGE_EQUALS_MAX = 1_024;

// --- Exported identities -------------------------------------------------------------------------------------------
/** Bytes of an exported identity that we read: one has 427. */
export const EXPORT_BYTES_MAX = 4_096;
/** Characters of a passphrase that seals an identity: an export may be tried for ever by whoever holds it. */
export const PASSPHRASE_LENGTH_MIN = 12;
/** Bytes of a passphrase that we read from a file, a descriptor or a terminal. */
export const PASSPHRASE_BYTES_MAX = 1_024;
/** Bytes of memory, and lanes of work, that an export may ask of us before its passphrase proved it honest: 8 times ours. */
export const SCRYPT_MEMORY_BYTES_MAX = 1024 * 1024 * 1024;
export const SCRYPT_LANES_MAX = 4;

// --- Standing rules ------------------------------------------------------------------------------------------------
/** Rules in keymesh.yaml, and domains that one names: more are no rules but a list, which domain accept makes as well. */
export const ACCEPT_RULES_MAX = 100;
export const ACCEPT_RULE_DOMAINS_MAX = 1_000;
/** Domains of one owner that rules accept: a member that shares domains without end must not fill our Keystone. */
export const RULED_DOMAINS_PER_OWNER_MAX = 100;

// --- Memory --------------------------------------------------------------------------------------------------------
/** New entries within so many milliseconds from which on a node is busy, and its heap may grow: a session's first page has as many. */
export const HEAP_BUSY_ENTRIES = 500;
export const HEAP_LOOK_MS = 10_000;

// --- Owning a domain -----------------------------------------------------------------------------------------------
/** Records looked at in one batch of a revoke or a takeover: some 20 ms of signing and joining, then others have their turn. */
export const OWNER_BATCH_RECORDS = 250;
/** Passes over a domain before the last batch of a revoke takes the rest, however fast its signer goes on writing. */
export const OWNER_PASSES_MAX = 3;
/** Values and projects that the answer of a revoke lists by name; it counts the others. */
export const REVOKE_LISTED_MAX = 1_000;
/** Milliseconds from its start for which a node that reaches nobody yet waits before it speaks as an owner: a first dial takes less. */
export const OWNER_HEAR_WAIT_MS = 10_000;
/** Milliseconds between two looks for somebody to hear, and between tries to go on with what a crash broke off. */
export const OWNER_LOOK_MS = 250;
export const OWNER_RESUME_MS = 10_000;
/** Peers that are still to be told who may hold a domain, over all domains: each member of the largest mesh, ten times. */
export const WORDS_TO_TELL_MAX = 10_000;

// --- Who may sign --------------------------------------------------------------------------------------------------
/** Answers about signers that are kept: a hundred clouds times a hundred domains. */
export const SIGNER_ANSWERS_MAX = 10_000;
/** Questions about peers that nobody ever admitted: a second, and at once. An honest service meets few. */
export const SIGNER_UNKNOWN_PER_SECOND = 20;
export const SIGNER_UNKNOWN_BURST = 100;

// --- Changing the key ----------------------------------------------------------------------------------------------
/** Peer IDs that a node remembers to have had: one a month, for eight years. An older one's canary is a stranger's. */
export const FORMER_PEERS_MAX = 100;
/** Milliseconds between looks at what a rotation waits for: other owners' words come at any time. */
export const ROTATION_LOOK_MS = 2_000;
/** The same under the new key, where nothing is missing but signatures, which are looked for as they come. */
export const ROTATION_LAST_LOOK_MS = 30_000;
/** Milliseconds that a node waits for members to hear that it passed its domains on, before it goes on under its new key. */
export const ROTATION_TELL_MS = 5_000;
/** Milliseconds for the answer to a verb to leave before the node starts anew. */
export const ROTATION_ANSWER_MS = 100;
/** Milliseconds that `identity rotate` watches the node go over, and between two looks: a large store opens in seconds. */
export const ROTATION_WATCH_MS = 60_000;
export const ROTATION_WATCH_LOOK_MS = 300;
/** Milliseconds for which status tells of a rotation that is done. */
export const ROTATION_SHOWN_MS = 7 * 86_400_000;

// --- Audit ---------------------------------------------------------------------------------------------------------
/** Bytes of one audit file by default, and files kept: 128 MiB in all, some 100,000 changes. */
export const AUDIT_FILE_BYTES = 16 * 1024 * 1024;
export const AUDIT_FILES = 8;
/** Least and greatest bytes of one file that an operator may ask for, and files: `audit tail` reads them through. */
export const AUDIT_FILE_BYTES_MIN = 64 * 1024;
export const AUDIT_FILE_BYTES_MAX = 1024 * 1024 * 1024;
export const AUDIT_FILES_MAX = 1_000;
/** Events that wait to be written, above which further ones are lost and counted: a domain of 50,000 projects is shared at once. */
export const AUDIT_WAITING_MAX = 100_000;
/** Milliseconds for which events gather, so that they share one write and one sync. Nothing else waits for it. */
export const AUDIT_GATHER_MS = 250;
/** Milliseconds from a write that failed (a full disk) to the next try. */
export const AUDIT_RETRY_MS = 5_000;
/** Bytes of lines that are written in one go: so far may the file be ahead of what the store knows to be written. */
export const AUDIT_WRITE_BYTES_MAX = 1024 * 1024;
/** Characters of one value in an event, objects of a hold, and entries: an event tells what happened, the records hold all. */
export const AUDIT_VALUE_LENGTH_MAX = 512;
export const AUDIT_OBJECTS_MAX = 100;
export const AUDIT_ENTRIES_MAX = 8;
/** Milliseconds within which the same refusal, or failure of the same write, is one event with a count. */
export const AUDIT_REPEAT_MS = 600_000;
/** Such refusals and failures that are counted apart; beyond, they share one count. */
export const AUDIT_REPEATS_MAX = 10_000;
/** Bytes of one line that `audit tail` reads: an event has at most some 20 KB. */
export const AUDIT_LINE_BYTES_MAX = 256 * 1024;
/** Milliseconds between two looks of `audit tail --follow`. */
export const AUDIT_FOLLOW_MS = 300;
/** Events that `audit tail` shows if it is not told. */
export const AUDIT_TAIL_LINES = 20;
/** Events that wait for the cloud's broker, above which the oldest are lost to it, and counted; the file has them. */
export const AUDIT_BROKER_WAITING_MAX = 10_000;
/** Milliseconds from a connection to the broker that failed or broke to the next try, doubled from the first to the last. */
export const AUDIT_BROKER_RETRY_MIN_MS = 1_000;
export const AUDIT_BROKER_RETRY_MAX_MS = 60_000;
/** Milliseconds to connect to the broker and for it to confirm a message: it stands beside us. */
export const AUDIT_BROKER_TIMEOUT_MS = 10_000;

// --- Keystone's notifications --------------------------------------------------------------------------------------
/** Bytes of one message from the broker that we read: a CADF event has 1 to 2 KB. */
export const NOTIFICATION_BYTES_MAX = 64 * 1024;
/** Messages on their way to us at once: each is taken in within a millisecond. */
export const NOTIFICATIONS_PREFETCH = 64;
/** Messages, and their bytes, that wait in our queue at the broker; older ones are dropped then, and a scan covers them. */
export const NOTIFICATIONS_QUEUE_MAX = 10_000;
export const NOTIFICATIONS_QUEUE_BYTES_MAX = 32 * 1024 * 1024;
/** Milliseconds after which the broker deletes a queue that nobody reads: a node that comes back later scans anyway. */
export const NOTIFICATIONS_QUEUE_EXPIRES_MS = 3_600_000;
/** Milliseconds between tries to reach the broker, doubled from the first to the last, and for one try. */
export const NOTIFICATIONS_RETRY_MIN_MS = 500;
export const NOTIFICATIONS_RETRY_MAX_MS = 30_000;
export const NOTIFICATIONS_CONNECT_TIMEOUT_MS = 10_000;
/** Seconds between the broker's heartbeats: without two of them it counts as gone, and scans come often again. */
export const NOTIFICATIONS_HEARTBEAT_SECONDS = 10;
/** Bad messages of one connection that the log tells of: they are counted all the same. */
export const NOTIFICATIONS_BAD_LOGGED_MAX = 10;
/** Milliseconds between two whole scans while notifications flow: they find what no event told of. */
export const SCAN_INTERVAL_NOTIFIED_MS = 300_000;
/** Milliseconds in which the event for a change that a scan found may still come; after that it counts as missed. */
export const EVENT_LATE_MAX_MS = 5_000;
/** Milliseconds for which scans come often again after a change that no event told of. */
export const EVENTS_DISTRUST_MS = 300_000;
/** Objects that wait for a look of their own: beyond that, one whole scan is cheaper (1,000 projects are 0.4 s). */
export const LOOKS_WAITING_MAX = 200;
/** Objects of one look: it must not keep what comes after it waiting. */
export const LOOK_OBJECTS_MAX = 32;
/** Milliseconds that the first event after a pause waits for others of the same object: a domain's change is told twice. */
export const LOOK_GATHER_MS = 3;
/** Milliseconds without a change after which what came is confirmed while events flow, and at most since the first. */
export const CONFIRM_REST_MS = 300;
export const CONFIRM_REST_MAX_MS = 2_000;
/** Milliseconds between two events of one object within which no restore can lie: the second is an edit of what the first left. */
export const TOGGLE_MAX_MS = 3_000;
/** Our own requests that are remembered, to know their events: more than Keystone does in the longest time a write may land. */
export const OWN_REQUESTS_MAX = 50_000;
/** Objects whose last events are remembered, to tell a missed event and an overwritten edit. */
export const EVENTS_REMEMBERED_MAX = 1_000;
/** Milliseconds after a write of ours at which its event, and one of somebody else just before, have come. */
export const OVERWRITTEN_LOOK_MS = 1_000;
