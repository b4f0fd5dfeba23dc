// The asking half of an anti-entropy session: a pure sequence of steps, which the shell carries out. It compares ranges,
// pulls what the peer has, a page at a time, offers what the peer lacks, and at the end asks whether sets are settled.
// It believes nothing: every answer must be to what was asked and must bring the session forward, so that no peer can
// keep it busy with the same page twice or with counts that don't add up. That ends the session with a Rejection; what
// came before is kept.
import { toString as render } from "uint8arrays";
import { type WireEntry, wireOf } from "./codec.ts";
import type { Entry, RecordKey } from "./entry.ts";
import { SYNC_SETTLED_MAX } from "./limits.ts";
import { RangeSession } from "./range-reconcile.ts";
import type { SharedView } from "./range-view.ts";
import { type Checked, type Rejection, type RejectionCode, refuse } from "./rejection.ts";
import type { Replica } from "./replica.ts";
import { CONTROL_SET, type SetName } from "./set-name.ts";
import type { Instant } from "./stamp.ts";
import type { Judge } from "./sync-answering.ts";
import {
  decodeAnswer,
  encodeRequest,
  HELLO,
  hasCommonVersion,
  offerPages,
  type PullKey,
  pullPages,
  type SettledLine,
  type SyncAnswer,
} from "./sync-messages.ts";

/** What the shell does next. */
export type AskingStep =
  /** Sends the request, and gives the bytes of the answer to `next`. */
  | { readonly is: "ask"; readonly request: Uint8Array }
  /**
   * Verifies the entries, judges them one by one, joins them and makes them durable before it goes on. Gives `next` the
   * rejection that ends the session, if there is one.
   */
  | { readonly is: "take"; readonly entries: readonly WireEntry[]; readonly judge: Judge }
  /** Notes that this node is settled there. */
  | { readonly is: "settle"; readonly set: SetName; readonly takenAt: Instant };
/** The steps of a session; it returns undefined at its end, or why the peer was refused. */
export type AskingSteps<Result = Rejection | undefined> = Generator<
  AskingStep,
  Result,
  Uint8Array | Rejection | undefined
>;
type Answer<Is extends SyncAnswer["is"]> = Extract<SyncAnswer, { is: Is }>;

export type AskingOptions = {
  readonly replica: Replica;
  /** The replica as the peer may see it. */
  readonly view: SharedView;
  /** 16 fresh random bytes, which nobody may know before. */
  readonly nonce: Uint8Array;
  /** Sets of which we don't know yet whether we hold all that their owner wrote before it took a scope away. */
  unsettled(): readonly SettledLine[];
  /** Whether to offer now what the peer lacks: not while it is pulling from us, or all would cross twice. */
  mayOffer(): boolean;
};

/** Rejections of an entry that no honest peer of any version relays, after which nothing more is asked of it. */
export function endsSession(code: RejectionCode): boolean {
  return code === "BAD_SIGNATURE" || code === "WRONG_MESH" || code === "CONTRADICTORY";
}

export class SyncAsking {
  readonly #options: AskingOptions;
  readonly #ranges: RangeSession;
  #fetched = 0;

  constructor(options: AskingOptions) {
    this.#options = options;
    this.#ranges = new RangeSession({ view: options.view, nonce: options.nonce });
  }

  /** Records to fetch, as far as is known by now, and those that were fetched. */
  get progress(): { readonly toFetch: number; readonly fetched: number } {
    return { toFetch: this.#ranges.finds.expected, fetched: this.#fetched };
  }

  /** Whether the peer held just what we held; undefined until it said so. */
  get wasEqual(): boolean | undefined {
    return this.#ranges.wasEqual;
  }

  /** Whether all was compared: no bound cut the session short. */
  get isWhole(): boolean {
    return this.#ranges.end === "compared";
  }

  /** Compares, pulls, offers. The replica is read at every step: it changes as entries are taken. */
  *session(): AskingSteps {
    const unfit = yield* greet();
    if (unfit !== undefined) return unfit;
    for (let request = this.#ranges.next(); request !== undefined; request = this.#ranges.next()) {
      const found = this.#ranges.take(bytesOf(yield { is: "ask", request }));
      if (!found.ok) return found.rejection;
      const refused =
        (yield* this.#pull(found.value)) ??
        (yield* offer(this.#offered(this.#ranges.offers()), this.#options.mayOffer));
      if (refused !== undefined) return refused;
    }
    return this.isWhole ? yield* this.#settle() : undefined;
  }

  *#pull(keys: readonly RecordKey[]): AskingSteps {
    // Control on its own before all else: it says of whom we want anything.
    for (const stage of [keys.filter(isControl), keys.filter((key) => !isControl(key))])
      for (const page of pullPages(stage)) {
        const refused = yield* this.#pullPage(page.filter(({ set }) => this.#options.view.wants(set)));
        if (refused !== undefined) return refused;
        this.#fetched += page.length;
      }
    return undefined;
  }

  *#pullPage(page: readonly PullKey[]): AskingSteps {
    const brought = new Set<string>();
    for (let keys = page; keys.length > 0; ) {
      const told = yield* ask({ is: "pull", keys }, "records");
      if (!told.ok) return told.rejection;
      const left = remaining(keys, told.value);
      if (!left.ok) return left.rejection;
      if (told.value.whole > 0) brought.clear();
      else if (told.value.entries.every(([, signature]) => brought.has(render(signature, "base64"))))
        return contradiction("the same entries again");
      for (const [, signature] of told.value.entries) brought.add(render(signature, "base64"));
      const asked = new Set(keys.map(textOf));
      const judge: Judge = (entry) =>
        asked.has(textOf(entry)) ? undefined : contradiction(`${entry.kind} ${entry.id}, which nobody asked for`);
      const refused = yield { is: "take", entries: told.value.entries, judge };
      if (refused !== undefined && !(refused instanceof Uint8Array)) return refused;
      keys = left.value;
    }
    return undefined;
  }

  /** What stands of these records: control first, then what decides what counts in a set, then all else. */
  *#offered(keys: readonly RecordKey[]): Generator<WireEntry> {
    const stageOf = (key: RecordKey) => (isControl(key) ? 0 : key.kind === "authority" ? 1 : 2);
    const { replica, view } = this.#options;
    // What was pulled since they were compared may have taken a set from the peer.
    for (const key of keys.filter(({ set }) => view.tells(set)).toSorted((a, b) => stageOf(a) - stageOf(b)))
      for (const entry of replica.standingEntries(key)) yield wireOf(entry);
  }

  *#settle(): AskingSteps {
    const lines = this.#options.unsettled();
    for (let at = 0; at < lines.length; at += SYNC_SETTLED_MAX) {
      const page = lines.slice(at, at + SYNC_SETTLED_MAX);
      const told = yield* ask({ is: "settled", lines: page }, "settled");
      if (!told.ok) return told.rejection;
      if (told.value.vouched.length !== page.length) return contradiction("more or fewer booleans than sets");
      for (const [index, { set, takenAt }] of page.entries())
        if (told.value.vouched[index] === true) yield { is: "settle", set, takenAt };
    }
    return undefined;
  }
}

/** Only gives entries: for sets that gossip must not carry. */
export function* pushSteps(entries: readonly Entry[]): AskingSteps {
  return (yield* greet()) ?? (yield* offer(entries.map(wireOf), () => true));
}

function* greet(): AskingSteps {
  const told = yield* ask(HELLO, "hello");
  if (!told.ok) return told.rejection;
  if (hasCommonVersion(told.value)) return undefined;
  return refuse("NO_COMMON_VERSION", `it speaks ${told.value.versions.join(", ")}`).rejection;
}

function* offer(entries: Iterable<WireEntry>, mayOffer: () => boolean): AskingSteps {
  for (const page of offerPages(entries)) {
    if (!mayOffer()) return undefined;
    const told = yield* ask({ is: "offer", entries: page }, "taken");
    if (!told.ok) return told.rejection;
  }
  return undefined;
}

function* ask<Is extends SyncAnswer["is"]>(
  request: Parameters<typeof encodeRequest>[0],
  is: Is,
): AskingSteps<Checked<Answer<Is>>> {
  const decoded = decodeAnswer(bytesOf(yield { is: "ask", request: encodeRequest(request) }));
  if (!decoded.ok) return decoded;
  const { value } = decoded;
  return isAnswer(value, is) ? { ok: true, value } : { ok: false, rejection: contradiction(`${value.is} for ${is}`) };
}

function isAnswer<Is extends SyncAnswer["is"]>(answer: SyncAnswer, is: Is): answer is Answer<Is> {
  return answer.is === is;
}

/** What is left to pull after an answer. Refused: CONTRADICTORY if it says more than was asked for, or brings us no further. */
export function remaining(keys: readonly PullKey[], answer: Answer<"records">): Checked<readonly PullKey[]> {
  const { whole, skip, entries } = answer;
  if (whole > keys.length) return { ok: false, rejection: contradiction(`${whole} records of ${keys.length}`) };
  const [next, ...rest] = keys.slice(whole);
  if (next === undefined) return { ok: true, value: [] };
  // Of the record that didn't fit, this answer brought `skip` less what came before it.
  const brought = skip - next.skip;
  if (brought < 0 || brought > entries.length || whole + brought === 0)
    return {
      ok: false,
      rejection: contradiction(`${entries.length} entries, and ${skip} of a record after ${next.skip}`),
    };
  return { ok: true, value: [{ ...next, skip }, ...rest] };
}

function contradiction(what: string): Rejection {
  return refuse("CONTRADICTORY", `an answer that contradicts itself or what was asked: ${what}`).rejection;
}

function bytesOf(reply: Uint8Array | Rejection | undefined): Uint8Array {
  if (reply instanceof Uint8Array) return reply;
  throw new Error("a step that asks is given the bytes of its answer");
}

function isControl({ set }: RecordKey): boolean {
  return set === CONTROL_SET;
}

function textOf({ set, kind, id }: RecordKey): string {
  return `${set}\0${kind}\0${id}`;
}
