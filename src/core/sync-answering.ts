// The answering half of an anti-entropy session: what a peer is told of this replica, one request at a time. Pure; the
// shell carries bytes and makes durable what is taken. One object serves one session, and remembers of it only how far
// it went: whatever a peer does wrong is a Rejection, after which the shell ends the session and nothing else.
// A set that this peer may not hold is answered like one that doesn't exist.
import { type WireEntry, wireOf } from "./codec.ts";
import type { Entry } from "./entry.ts";
import { SYNC_ENTRIES_MAX, SYNC_ROUNDS_MAX } from "./limits.ts";
import { RangeAnswerer } from "./range-answerer.ts";
import { RANGE_LIMITS } from "./range-messages.ts";
import type { SharedView } from "./range-view.ts";
import { type Checked, type Rejection, refuse } from "./rejection.ts";
import type { Replica } from "./replica.ts";
import { setOwner } from "./set-name.ts";
import {
  decodeRequest,
  encodeAnswer,
  fitting,
  HELLO,
  hasCommonVersion,
  type PullKey,
  type SettledLine,
  type SyncAnswer,
  type SyncRequest,
  sizeOf,
} from "./sync-messages.ts";

/** What becomes of a request. */
export type Served =
  /** These bytes go back. With a rejection they are the last that do. */
  | { readonly is: "answer"; readonly bytes: Uint8Array; readonly rejection?: Rejection }
  /** These entries are verified, judged one by one, joined and made durable; then the bytes go back. */
  | { readonly is: "take"; readonly entries: readonly WireEntry[]; readonly judge: Judge; readonly bytes: Uint8Array };
/** Why an entry, whose signature is good, may not be taken; undefined if it may. */
export type Judge = (entry: Entry) => Rejection | undefined;

export type AnsweringOptions = {
  readonly replica: Replica;
  /** The replica as the peer may see it. */
  readonly view: SharedView;
  vouches(line: SettledLine): boolean;
};

export class SyncAnswering {
  readonly #options: AnsweringOptions;
  readonly #ranges: RangeAnswerer;
  #requests = 0;
  #isGreeted = false;

  constructor(options: AnsweringOptions) {
    this.#options = options;
    this.#ranges = new RangeAnswerer(options.view, RANGE_LIMITS);
  }

  /** The root of roots that the peer told, once it did. */
  get theirRoot(): Uint8Array | undefined {
    return this.#ranges.theirRoot;
  }

  /** Errors: MALFORMED, OVERSIZED, BAD_SET, WRONG_ORDER, ENDLESS; the session is over after one. */
  answer(bytes: Uint8Array): Checked<Served> {
    this.#requests += 1;
    if (this.#requests > SYNC_ROUNDS_MAX) return refuse("ENDLESS", `more than ${SYNC_ROUNDS_MAX} requests`);
    const request = decodeRequest(bytes);
    return request.ok ? this.#answer(request.value) : request;
  }

  #answer(request: SyncRequest): Checked<Served> {
    if ((request.is === "hello") === this.#isGreeted)
      return refuse("WRONG_ORDER", request.is === "hello" ? "a second hello" : `${request.is} before hello`);
    if (request.is === "hello") return this.#greet(request);
    if (request.is === "range") {
      const answered = this.#ranges.answer(request.bytes);
      return answered.ok ? { ok: true, value: { is: "answer", bytes: answered.value } } : answered;
    }
    if (request.is === "pull") return told(this.#pull(request.keys));
    if (request.is === "settled") {
      const { view, vouches } = this.#options;
      return told({ is: "settled", vouched: request.lines.map((line) => view.tells(line.set) && vouches(line)) });
    }
    // An owner's own word on who may hold its set is taken from whoever brings it: one who was let in just now may be
    // the only one to bring the very word that says so.
    const judge: Judge = ({ set, kind, stamp: { origin } }) =>
      this.#options.view.takes(set) || (kind === "authority" && origin === setOwner(set))
        ? undefined
        : { code: "NOT_HELD", detail: `an offer for ${set}`, origin };
    return { ok: true, value: { is: "take", entries: request.entries, judge, bytes: encodeAnswer({ is: "taken" }) } };
  }

  #greet(hello: Extract<SyncRequest, { is: "hello" }>): Checked<Served> {
    this.#isGreeted = true;
    const bytes = encodeAnswer(HELLO); // Also to who speaks another: so it learns what we speak.
    if (hasCommonVersion(hello)) return { ok: true, value: { is: "answer", bytes } };
    const { rejection } = refuse("NO_COMMON_VERSION", `it speaks ${hello.versions.join(", ")}`);
    return { ok: true, value: { is: "answer", bytes, rejection } };
  }

  #pull(keys: readonly PullKey[]): SyncAnswer {
    const { replica, view } = this.#options;
    const entries: WireEntry[] = [];
    let bytes = 0;
    for (const [whole, { skip, ...key }] of keys.entries()) {
      const standing = view.tells(key.set) ? replica.standingEntries(key) : [];
      const rest = standing.slice(skip).map(wireOf);
      const room = Math.min(fitting(rest, bytes), SYNC_ENTRIES_MAX - entries.length);
      const taken = rest.slice(0, room);
      entries.push(...taken);
      bytes += sizeOf(taken);
      if (taken.length < rest.length) return { is: "records", whole, skip: skip + taken.length, entries };
    }
    return { is: "records", whole: keys.length, skip: 0, entries };
  }
}

function told(answer: SyncAnswer): Checked<Served> {
  return { ok: true, value: { is: "answer", bytes: encodeAnswer(answer) } };
}
