// Every bound of keymesh, with its unit and why it has that value. A bound that an operator may change has its default here.

// --- Entries and records -------------------------------------------------------------------------------------------
/** Bytes of one signed entry. Keystone refuses bodies over 114,688 bytes, so nothing it holds needs more. */
export const ENTRY_BYTES_MAX = 128 * 1024;
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

// --- Clock ---------------------------------------------------------------------------------------------------------
/** How far a stamp may lead our clock. NTP keeps clouds within a second; a minute forgives a sick one. */
export const DRIFT_MAX_MS = 60_000;
/** Greatest counter of a stamp: time packs into 8 bytes, 48 bits of milliseconds and 16 of counter. */
export const STAMP_COUNTER_MAX = 0xffff;

// --- Mesh ----------------------------------------------------------------------------------------------------------
/** Members of one mesh. Ten times the federation that we design for in daily use. */
export const MEMBERS_MAX = 1_000;
/** Bytes of one gossip message. Far below gossipsub's inbound limit: one over it is lost without an error. */
export const GOSSIP_MESSAGE_BYTES_MAX = 192 * 1024;
/** Bytes that gossipsub takes in one RPC: several messages ride in one. */
export const GOSSIP_RPC_BYTES_MAX = 4 * 1024 * 1024;
/** Entries in one gossip message: a bound on the work that one message can cause (256 verifies are 18 ms). */
export const GOSSIP_ENTRIES_MAX = 256;
/** Bytes of one sync message: a page holds at least one entry of the greatest size. */
export const SYNC_MESSAGE_BYTES_MAX = 256 * 1024;
/** Keys in one page of versions: about 130 bytes each, so a page stays below a sync message. */
export const SYNC_PAGE_KEYS_MAX = 1_000;
/** Records asked for in one pull. */
export const SYNC_PULL_KEYS_MAX = 200;
/** Pages of one sync session: 1,000,000 records are 1,000 pages of versions and 5,000 of pulls. */
export const SYNC_ROUNDS_MAX = 10_000;
/** Milliseconds that a sync session waits for one answer. */
export const SYNC_ANSWER_TIMEOUT_MS = 20_000;
/** Sync sessions served at once, in all and for one peer. */
export const SYNC_SESSIONS_MAX = 16;
export const SYNC_SESSIONS_PER_PEER_MAX = 2;
/** Milliseconds between anti-entropy sessions with a random member, before jitter. */
export const SYNC_INTERVAL_MS = 30_000;
/** Refused peers remembered as pending: an outsider can't grow our memory. The oldest knock goes first. */
export const KNOCKS_MAX = 100;
/** Milliseconds between dials to a member that is away: doubled from the first to the last, for ever. */
export const REDIAL_MIN_MS = 500;
export const REDIAL_MAX_MS = 60_000;
/** Malformed messages from one peer within an hour before its connection is closed. */
export const MALFORMED_PER_HOUR_MAX = 20;
/** Addresses of one member. */
export const ADDRESSES_MAX = 16;

// --- Keystone ------------------------------------------------------------------------------------------------------
/** Milliseconds between scans of Keystone by default, and how many times a scan's own duration must lie between two. */
export const SCAN_INTERVAL_MS = 5_000;
export const SCAN_DUTY_FACTOR = 20;
/** Longest time, in milliseconds, that a write whose answer we never saw may still land in Keystone. */
export const WRITE_LANDS_MAX_MS = 600_000;
/** Milliseconds from a remote delete (disabled at once) to the delete itself. */
export const DELETE_GRACE_MS = 24 * 3_600_000;
/** Deletes from one origin within an hour, and projects missing at once, above which they are held for an operator. */
export const DELETES_PER_ORIGIN_MAX = 10;
export const DELETES_WINDOW_MS = 3_600_000;
export const MISSING_AT_ONCE_MAX = 10;
/** Milliseconds that one request to Keystone may take: a list of 50,000 projects takes 4 s, a sick server far more. */
export const KEYSTONE_REQUEST_TIMEOUT_MS = 60_000;
/** Projects asked for in one page of a scan: Keystone 27 and later cap a page at 1,000. */
export const KEYSTONE_PAGE_SIZE = 1_000;
/** Bytes of one answer of Keystone that we read: 50,000 projects are 18 MB. */
export const KEYSTONE_ANSWER_BYTES_MAX = 128 * 1024 * 1024;
/** Milliseconds between tries of a change that Keystone refused: doubled from the first to the last. */
export const STUCK_RETRY_MIN_MS = 1_000;
export const STUCK_RETRY_MAX_MS = 300_000;
/** Seconds before its end at which a token is renewed. */
export const TOKEN_RENEW_SECONDS = 300;
/** Keystone's own bounds on a project (KEYSTONE API: name 64, 80 tags of 255). */
export const PROJECT_NAME_LENGTH_MAX = 64;
export const PROJECT_TAGS_MAX = 80;
export const PROJECT_TAG_LENGTH_MAX = 255;

// --- Operating -----------------------------------------------------------------------------------------------------
/** Holds shown and kept; a further one is counted in the last. */
export const HOLDS_MAX = 1_000;
/** Distinct rejection counters (peer and code) kept in memory. */
export const REJECTION_COUNTERS_MAX = 10_000;
/** Bytes of one request to the control socket. */
export const CONTROL_BODY_BYTES_MAX = 1024 * 1024;
