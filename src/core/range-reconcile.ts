// A session of range-based set reconciliation, the asking side: bytes out, bytes in, and what they show to pull and offer.
//   1. The roots of roots: equal ends it, but for one random slice that is compared version by version.
//   2. The sets' roots. Control is repaired first, because it decides who is in; then all other sets at once.
//   3. Of each set the recent tails, then (joined, and compared again) ranges of it, cut into ever smaller ones until the
//      versions in them are told one by one.
// Between two messages the caller pulls, joins and makes durable what was found; the next message is made from what is
// held then. So a session that breaks off has lost nothing, and the next one finds the rest.
// Long, because all steps of a session share its state.
// Source: Meyer, "Range-Based Set Reconciliation", SRDS 2023. Tails, slices and the salt are ours.
import type { RecordKey } from "./entry.ts";
import { RANGE_EQUALS_MAX } from "./limits.ts";
import { decodeReplies, type Span } from "./range-items.ts";
import {
  decodeRangeAnswer,
  encodeRangeMessage,
  RANGE_LIMITS,
  type RangeAnswer,
  type RangeLimits,
  type SetBytes,
  type SetLine,
} from "./range-messages.ts";
import { FINGERPRINT_BYTES, isSame, NO_TAG, Salt, type Tag } from "./range-salt.ts";
import {
  blockOf,
  bucketRoots,
  countIn,
  leadOf,
  leadsFirst,
  leadTag,
  type RangeView,
  setRoot,
  setsIn,
  sliceHash,
  sliceOf,
  treeOf,
  within,
} from "./range-view.ts";
import { RangeWork, type Sent } from "./range-work.ts";
import { type Checked, type Rejection, refuse } from "./rejection.ts";
import { CONTROL_SET, type SetName } from "./set-name.ts";

/** Why a session has no further message: all was compared, or it reached its bounds, or the peer broke the rules. */
export type RangeEnd = "compared" | "bounds" | "refused";

/** Bytes of a request around its parts, and around each of them besides the set's name. */
const ENVELOPE_BYTES = 24;
const PART_BYTES = 8;

type Question = { readonly set: SetName; readonly sent: readonly Sent[] };
type SameSpan = Span & { readonly set: SetName };

export class RangeSession {
  readonly #view: RangeView;
  readonly #limits: RangeLimits;
  readonly #salt: Salt;
  readonly #lines: SetLine[] = [];
  /** The buckets of sets that differ; none if sets are not told by buckets. */
  #buckets = new Set<number>();
  readonly #works = new Map<SetName, RangeWork>();
  readonly #same: SameSpan[] = [];
  readonly #offers = new Map<string, RecordKey>();
  readonly #theirTags = new Map<string, Tag>();
  #expects: RangeAnswer[0] | "nothing" = "nothing";
  #questions: readonly Question[] = [];
  #leads: RecordKey[] = [];
  #wasEqual: boolean | undefined;
  #found = 0;
  #expected = 0;
  #isGreeted = false;
  #moreSets = false;
  #isSliced = false;
  #end: RangeEnd | undefined;
  #rounds = 0;
  #bytes = 0;

  /** `nonce`: 16 fresh random bytes, which nobody may know before. */
  constructor(options: { view: RangeView; nonce: Uint8Array; limits?: RangeLimits }) {
    this.#view = options.view;
    this.#salt = new Salt(options.nonce);
    this.#limits = options.limits ?? RANGE_LIMITS;
  }

  get end(): RangeEnd | undefined {
    return this.#end;
  }

  get rounds(): number {
    return this.#rounds;
  }

  /** Whether the peer's root of roots was ours when it answered. Undefined before it did. */
  get wasEqual(): boolean | undefined {
    return this.#wasEqual;
  }

  /**
   * Records that the peer has and we lack: how many were found so far, and how many there will be at least, by the sizes
   * that the peer told of its sets.
   */
  get finds(): { readonly found: number; readonly expected: number } {
    return { found: this.#found, expected: Math.max(this.#found, this.#expected) };
  }

  /** Bytes of messages in both directions so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The next request, made from what is held now; undefined at the session's end. Each is answered before the next. */
  next(): Uint8Array | undefined {
    if (this.#end !== undefined) return undefined;
    if (this.#expects !== "nothing") throw new Error("a range session asks one question at a time");
    if (this.#rounds >= this.#limits.roundsMax || this.#bytes >= this.#limits.sessionBytesMax)
      return this.#stop("bounds");
    const request = this.#request();
    if (request === undefined) return this.#stop("compared");
    this.#rounds += 1;
    this.#bytes += request.length;
    return request;
  }

  #stop(end: RangeEnd): undefined {
    this.#end ??= end;
    return undefined;
  }

  #request(): Uint8Array | undefined {
    if (!this.#isGreeted) {
      this.#isGreeted = true;
      this.#expects = "sets";
      return encodeRangeMessage(["roots", this.#view.root(), this.#salt.nonce, sliceHash(this.#view, this.#salt)]);
    }
    if (this.#moreSets) {
      this.#expects = "sets";
      return encodeRangeMessage(["sets", Uint8Array.from(this.#buckets), this.#lines.at(-1)?.[0] ?? ""]);
    }
    this.#expects = "ranges";
    const works = this.#active();
    if (works.length === 0) return undefined;
    return this.#ask(works) ?? this.#stop("bounds");
  }

  /** The works that have something to ask: of control alone while it has any, then tails before what waited for them. */
  #active(): [SetName, RangeWork][] {
    const control = this.#works.get(CONTROL_SET);
    // Once control is repaired: of whoever never was a member we want nothing.
    if (control?.isIdle !== false)
      for (const set of this.#works.keys()) if (!this.#view.wants(set)) this.#works.delete(set);
    const stages = control === undefined ? [[...this.#works]] : [[[CONTROL_SET, control] as const], [...this.#works]];
    for (const stage of stages) {
      const busy = () =>
        stage.filter(([, work]) => !work.isIdle).map(([set, work]): [SetName, RangeWork] => [set, work]);
      if (busy().length > 0) return this.#withSlice(busy());
      if (stage.filter(([, work]) => work.resume()).length > 0) return busy();
    }
    return this.#withSlice([]);
  }

  /** Adds the session's random slice, out of what was called the same so far. */
  #withSlice(works: [SetName, RangeWork][]): [SetName, RangeWork][] {
    if (this.#isSliced || this.#same.length === 0) return works;
    this.#isSliced = true;
    const counts = this.#same.map((span) => countIn(treeOf(this.#view, span.set), span));
    let rank = this.#salt.choice(counts.reduce((sum, { count }) => sum + count, 0));
    for (const [index, span] of this.#same.entries()) {
      const { set } = span;
      const range = counts[index];
      if (range === undefined || rank >= range.count) {
        rank -= range?.count ?? 0;
        continue;
      }
      const work = this.#works.get(set);
      if (work === undefined) return works;
      work.add(within(this.#spanOf(set, blockOf(range.from + rank, range)), span), "slice");
      return works.some(([name]) => name === set) ? works : [...works, [set, work]];
    }
    return works;
  }

  #spanOf(set: SetName, range: { from: number; to: number }): Span {
    const tree = treeOf(this.#view, set);
    return { lo: tree.boundAt(range.from), hi: tree.boundAt(range.to) };
  }

  #ask(works: readonly [SetName, RangeWork][]): Uint8Array | undefined {
    const blocks: SetBytes[] = [];
    const questions: Question[] = [];
    let left = this.#limits.messageBytesMax - ENVELOPE_BYTES;
    for (const [set, work] of works) {
      const question = work.ask(left - set.length - PART_BYTES);
      if (question === undefined) break;
      blocks.push([set, question.bytes]);
      questions.push({ set, sent: question.sent });
      left -= set.length + PART_BYTES + question.bytes.length;
    }
    this.#questions = questions;
    return blocks.length === 0 ? undefined : encodeRangeMessage(["ranges", blocks]);
  }

  /**
   * Takes the answer to the last request: the records to pull before the next, control's first, then those that decide
   * what counts in their sets. Errors: MALFORMED, OVERSIZED, CONTRADICTORY; after one the session is over.
   */
  take(bytes: Uint8Array): Checked<readonly RecordKey[]> {
    if (this.#expects === "nothing") throw new Error("an answer to no question");
    this.#bytes += bytes.length;
    const taken = this.#take(bytes);
    this.#expects = "nothing";
    if (!taken.ok) {
      this.#stop("refused");
      return taken;
    }
    const keys = [...taken.value, ...this.#dueLeads()];
    this.#found += keys.length;
    return { ok: true, value: keys };
  }

  #take(bytes: Uint8Array): Checked<readonly RecordKey[]> {
    if (bytes.length > this.#limits.messageBytesMax)
      return refuse("OVERSIZED", `a range answer of ${bytes.length} bytes`);
    const answer = decodeRangeAnswer(bytes);
    if (!answer.ok) return answer;
    const isFirst = this.#rounds === 1;
    if (isFirst) this.#wasEqual = answer.value[0] === "equal";
    const [tag] = answer.value;
    if (tag === "ranges" && this.#expects === "ranges") return this.#takeRanges(answer.value[1]);
    if (tag === "sets" && this.#expects === "sets") return this.#takeSets(answer.value[1], answer.value[2]);
    if (tag === "buckets" && isFirst) this.#takeBuckets(answer.value[1]);
    else if (tag === "equal" && isFirst) this.#stop("compared");
    else if (tag === "slice" && isFirst) this.#openSlice();
    else return refuse("CONTRADICTORY", `an answer ${tag} to something else`);
    return { ok: true, value: [] };
  }

  /** Authority records come before all else of their sets, but after control, which says who may own sets. */
  #dueLeads(): readonly RecordKey[] {
    return this.#works.get(CONTROL_SET)?.isIdle === false ? [] : this.#leads.splice(0);
  }

  #openSlice(): void {
    const slice = sliceOf(this.#view, this.#salt);
    this.#isSliced = true;
    if (slice !== undefined) this.#open(slice.set, this.#spanOf(slice.set, slice));
  }

  #open(set: SetName, slice?: Span): void {
    this.#works.set(set, new RangeWork(() => treeOf(this.#view, set), this.#salt, slice));
  }

  #takeBuckets(theirs: Uint8Array): void {
    const ours = bucketRoots(this.#view, this.#salt);
    for (const [index, byte] of theirs.entries())
      if (byte !== ours[index]) this.#buckets.add(Math.floor(index / FINGERPRINT_BYTES));
    this.#moreSets = this.#buckets.size > 0;
  }

  #takeSets(lines: readonly SetLine[], more: boolean): Checked<readonly RecordKey[]> {
    for (const line of lines) {
      const last = this.#lines.at(-1);
      if (last !== undefined && line[0] <= last[0]) return refuse("CONTRADICTORY", "sets out of order");
      this.#lines.push(line);
    }
    if (more && lines.length === 0) return refuse("CONTRADICTORY", "more sets, and yet none");
    this.#moreSets = more;
    if (more) return { ok: true, value: [] };
    const theirs = new Set(this.#lines.map(([set]) => set));
    const asked = setsIn(this.#view, this.#buckets.size === 0 ? undefined : this.#buckets);
    for (const set of asked) if (!theirs.has(set)) this.#open(set);
    for (const [set, root, lead, size] of this.#lines.splice(0)) {
      const tree = treeOf(this.#view, set);
      if (isSame(root, setRoot(tree, this.#salt))) continue;
      this.#open(set);
      this.#expected += Math.max(0, size - tree.size);
      const key = leadOf(set);
      if (key !== undefined && lead !== NO_TAG && lead !== leadTag(this.#view, set, this.#salt)) this.#leads.push(key);
    }
    return { ok: true, value: [] };
  }

  #takeRanges(answers: readonly Uint8Array[]): Checked<readonly RecordKey[]> {
    const pull: RecordKey[] = [];
    let replied = 0;
    if (answers.length > this.#questions.length) return refuse("CONTRADICTORY", "more answers than questions");
    for (const [index, { set, sent }] of this.#questions.entries()) {
      const work = this.#works.get(set);
      const items = sent.map(({ item }) => item);
      const replies = decodeReplies(answers[index] ?? new Uint8Array(), items);
      const findings = replies === undefined ? undefined : work?.take(sent, replies);
      if (replies === undefined || findings === undefined) return this.#contradiction(set);
      replied += replies.length;
      for (const span of findings.same)
        if (this.#same.length < RANGE_EQUALS_MAX) this.#same.push({ set, lo: span.lo, hi: span.hi });
      for (const { kind, id } of findings.ours) this.#offers.set(`${set}\0${kind}\0${id}`, { set, kind, id });
      for (const { kind, id, tag } of findings.theirs) {
        const text = `${set}\0${kind}\0${id}`;
        if (this.#view.digest({ set, kind, id }) !== undefined) this.#theirTags.set(text, tag);
        if (this.#has({ set, kind, id }, tag)) continue; // It came by another way meanwhile, or before.
        pull.push({ set, kind, id });
      }
    }
    return replied === 0
      ? refuse("CONTRADICTORY", "an answer to none of the questions")
      : { ok: true, value: leadsFirst(pull) };
  }

  /** Whether we have the version that a peer told, or all of it is here and waits for our clock. */
  #has(key: RecordKey, tag: Tag): boolean {
    const [now, due] = [this.#view.digest(key), this.#view.digestOnceDue(key)];
    return [now, due].some((digest) => digest !== undefined && this.#salt.tag(digest) === tag);
  }

  #contradiction(set: SetName): { readonly ok: false; readonly rejection: Rejection } {
    return refuse("CONTRADICTORY", `ranges of ${set} that don't answer what was asked`);
  }

  /**
   * Records that the peer lacks, or has in another version than ours: to be sent once what it has was pulled. What became
   * equal to the peer's by that is left out. Empty while the ranges in which more may show are still open.
   */
  offers(): readonly RecordKey[] {
    if ([...this.#works.values()].some((work) => !work.isIdle)) return [];
    const offers: RecordKey[] = [];
    for (const [text, key] of this.#offers) {
      const tag = this.#theirTags.get(text);
      if (this.#view.digest(key) !== undefined && (tag === undefined || !this.#has(key, tag))) offers.push(key);
    }
    this.#offers.clear();
    return offers;
  }
}
