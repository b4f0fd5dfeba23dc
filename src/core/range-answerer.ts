// The answering side of a session about ranges: a request in, an answer out. Of the session it keeps only the nonce and
// what was used up; the shell hands it one request at a time.

import { SETS_LISTED_MAX } from "./limits.ts";
import { answerItems, newBudget } from "./range-answer.ts";
import { decodeQuestion } from "./range-items.ts";
import {
  decodeRangeRequest,
  encodeRangeMessage,
  type RangeAnswer,
  type RangeLimits,
  type RangeRequest,
  type SetBytes,
  type SetLine,
} from "./range-messages.ts";
import { isSame, Salt } from "./range-salt.ts";
import { bucketRoots, leadTag, type RangeView, setCount, setRoot, setsIn, sliceHash, treeOf } from "./range-view.ts";
import { type Checked, refuse } from "./rejection.ts";
import type { SetName } from "./set-name.ts";

/** Bytes of an answer around its parts, and around each of them. */
const ENVELOPE_BYTES = 24;
const PART_BYTES = 4;
/** Bytes of a set's line besides its name. */
const LINE_BYTES = 40;

export class RangeAnswerer {
  readonly #view: RangeView;
  readonly #limits: RangeLimits;
  #salt: Salt | undefined;
  #theirRoot: Uint8Array | undefined;
  #rounds = 0;
  #bytes = 0;

  constructor(view: RangeView, limits: RangeLimits) {
    this.#view = view;
    this.#limits = limits;
  }

  /** The root of roots that the peer told, once it did. */
  get theirRoot(): Uint8Array | undefined {
    return this.#theirRoot;
  }

  /** Answers one request. Errors: MALFORMED, OVERSIZED, WRONG_ORDER, ENDLESS; the session is over after one. */
  answer(bytes: Uint8Array): Checked<Uint8Array> {
    // Just what the asking side looks at before it asks: no honest peer is refused here.
    if (this.#rounds >= this.#limits.roundsMax || this.#bytes >= this.#limits.sessionBytesMax)
      return refuse("ENDLESS", `ranges after ${this.#rounds} rounds and ${this.#bytes} bytes`);
    this.#rounds += 1;
    this.#bytes += bytes.length;
    if (bytes.length > this.#limits.messageBytesMax)
      return refuse("OVERSIZED", `a range request of ${bytes.length} bytes`);
    const request = decodeRangeRequest(bytes);
    if (!request.ok) return request;
    const answer = this.#answer(request.value);
    if (!answer.ok) return answer;
    const encoded = encodeRangeMessage(answer.value);
    this.#bytes += encoded.length;
    return { ok: true, value: encoded };
  }

  #answer(request: RangeRequest): Checked<RangeAnswer> {
    if (request[0] === "roots") {
      if (this.#salt !== undefined) return refuse("WRONG_ORDER", "roots for a second time in one session");
      const [, root, nonce, slice] = request;
      this.#theirRoot = root.slice();
      const salt = new Salt(nonce.slice());
      this.#salt = salt;
      if (!isSame(root, this.#view.root())) return { ok: true, value: this.#listOrBuckets(salt) };
      return { ok: true, value: isSame(slice, sliceHash(this.#view, salt)) ? ["equal"] : ["slice"] };
    }
    if (this.#salt === undefined) return refuse("WRONG_ORDER", `${request[0]} before the roots`);
    if (request[0] === "sets") {
      const buckets = new Set(request[1]);
      const sets = setsIn(this.#view, buckets.size === 0 ? undefined : buckets);
      return { ok: true, value: this.#sets(sets, request[2], this.#salt) };
    }
    return this.#ranges(request[1], this.#salt);
  }

  #listOrBuckets(salt: Salt): RangeAnswer {
    return setCount(this.#view) > SETS_LISTED_MAX
      ? ["buckets", bucketRoots(this.#view, salt)]
      : this.#sets(setsIn(this.#view), "", salt);
  }

  #sets(sets: readonly SetName[], after: SetName | "", salt: Salt): RangeAnswer {
    const lines: SetLine[] = [];
    let bytes = ENVELOPE_BYTES;
    for (const set of sets) {
      if (set <= after) continue;
      bytes += set.length + LINE_BYTES;
      if (bytes > this.#limits.messageBytesMax) return ["sets", lines, true];
      const tree = treeOf(this.#view, set);
      lines.push([set, setRoot(tree, salt), leadTag(this.#view, set, salt), tree.size]);
    }
    return ["sets", lines, false];
  }

  #ranges(questions: readonly SetBytes[], salt: Salt): Checked<RangeAnswer> {
    const budget = newBudget(this.#limits.messageBytesMax - ENVELOPE_BYTES);
    const answers: Uint8Array[] = [];
    let isWhole = true;
    for (const [set, bytes] of questions) {
      const question = decodeQuestion(bytes);
      if (question === undefined) return refuse("MALFORMED", `ranges of ${set} that can't be read`);
      budget.bytes -= PART_BYTES;
      if (!isWhole || budget.bytes <= 0) continue; // All are read, so that a malformed one never passes.
      const answer = answerItems(treeOf(this.#view, set), question, salt, budget);
      answers.push(answer.bytes);
      isWhole = answer.isWhole;
    }
    return { ok: true, value: ["ranges", answers] };
  }
}
