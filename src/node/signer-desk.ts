// Who may sign: answered from the replica alone, for a Keystone or a service that met a signer it doesn't know. Answers
// are kept until somebody speaks of membership, authority or agreements; who asks about peers that nobody ever admitted
// is slowed down, because anybody can make peer IDs. A question asks nobody else and writes nothing.
import { scopesOf } from "../core/authority.ts";
import type { Entry } from "../core/entry.ts";
import type { AgreementMode } from "../core/keystone-view.ts";
import { localId } from "../core/kinds.ts";
import { SIGNER_ANSWERS_MAX, SIGNER_UNKNOWN_BURST, SIGNER_UNKNOWN_PER_SECOND } from "../core/limits.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import { type KeystoneId, parseKeystoneId } from "../core/set-name.ts";
import type { DomainChain } from "../core/transfers.ts";
import { ControlError } from "./control.ts";
import type { SignerView, StampView } from "./control-domains.ts";
import { wordOf } from "./domain-views.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";

type Accepted = { readonly chain: DomainChain | undefined; readonly agreement: AgreementMode; readonly why: string };

export class SignerDesk {
  readonly #node: Node;
  readonly #answers = new Map<string, SignerView>();
  #keptFor: readonly unknown[] = [];
  #tokens = SIGNER_UNKNOWN_BURST;
  #filledMs = 0;

  constructor(node: Node) {
    this.#node = node;
  }

  /** Answers that are kept now. */
  get size(): number {
    return this.#answers.size;
  }

  /** Errors: NO_MESH, BAD_PEER_ID, BAD_DOMAIN_ID, TOO_MANY_QUESTIONS. */
  ask({ peerId: text, domain }: { peerId: string; domain: string }): SignerView {
    const peerId = parsePeerId(text);
    const domainId = parseKeystoneId(domain);
    if (peerId === undefined)
      throw new ControlError("BAD_PEER_ID", "a peer ID begins with 12D3KooW and has 52 characters");
    if (domainId === undefined) throw new ControlError("BAD_DOMAIN_ID", "a domain's ID is 32 lower-case hex digits");
    const { replica } = memberedOf(this.#node).keeper;
    if (!replica.isKnownPeer(peerId)) return this.#unknown(peerId, domainId);
    this.#forgetOld();
    const key = `${peerId} ${domainId}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const answer = this.#answer(peerId, domainId);
    if (this.#answers.size >= SIGNER_ANSWERS_MAX) this.#answers.clear(); // Full of domains that nobody shares: begin anew.
    this.#answers.set(key, answer);
    return answer;
  }

  /** New entries that may change an answer: this cloud's own word on what it follows. All else changes what `#forgetOld` compares. */
  noteNews(news: readonly Entry[]): void {
    if (news.some(({ kind, stamp }) => kind === "local" && stamp.origin === this.#node.identity.peerId))
      this.#answers.clear();
  }

  /** Both are made anew whenever somebody's word on membership or authority was joined. */
  #forgetOld(): void {
    const { replica } = memberedOf(this.#node).keeper;
    const now = [replica.membership, replica.domainChains()];
    if (now.some((one, at) => one !== this.#keptFor[at])) this.#answers.clear();
    this.#keptFor = now;
  }

  /** Nothing is kept of a stranger: the answer is always the same, and there are as many as anybody likes to make. */
  #unknown(peerId: PeerId, domainId: KeystoneId): SignerView {
    const nowMs = this.#node.options.world.uptimeMs();
    this.#tokens = Math.min(
      SIGNER_UNKNOWN_BURST,
      this.#tokens + ((nowMs - this.#filledMs) / 1_000) * SIGNER_UNKNOWN_PER_SECOND,
    );
    this.#filledMs = nowMs;
    if (this.#tokens < 1)
      throw new ControlError(
        "TOO_MANY_QUESTIONS",
        "too many questions about peers that nobody admitted: the answer would be no. Ask again in a second",
      );
    this.#tokens -= 1;
    const nothing = { scopes: [], since: {}, owner: null, agreement: "none" as const };
    return { peerId, domainId, member: false, maySign: false, ...nothing, why: "nobody ever admitted this peer" };
  }

  #answer(peerId: PeerId, domainId: KeystoneId): SignerView {
    const { replica } = memberedOf(this.#node).keeper;
    const member = replica.membership.members.has(peerId);
    const { chain, agreement, why } = this.#accepted(domainId);
    const authority = chain === undefined ? undefined : replica.authority(chain.present);
    if (authority === undefined) {
      const nothing = { scopes: [], since: {}, owner: null };
      return { peerId, domainId, member, maySign: false, ...nothing, agreement, why };
    }
    const scopes = scopesOf(authority, peerId);
    const held = authority.signers.get(peerId)?.since;
    const since = scopes.flatMap((scope): [string, StampView][] => {
      const at = held?.get(scope);
      return at === undefined ? [] : [[scope, [at.wallMs, at.counter]]];
    });
    const isOwner = peerId === authority.owner;
    return {
      peerId,
      domainId,
      member,
      maySign: scopes.length > 0,
      scopes,
      since: Object.fromEntries(since),
      owner: authority.owner,
      agreement,
      why: isOwner ? "it owns the domain" : scopes.length > 0 ? "the owner granted it" : "the owner granted it nothing",
    };
  }

  /** The claim to a domain that this cloud goes by: the one that it agreed to, else the only one there is. */
  #accepted(domainId: KeystoneId): Accepted {
    const { replica } = memberedOf(this.#node).keeper;
    const chains = replica
      .domainChains()
      .filter((chain) => chain.domainId === domainId && (replica.set(chain.present)?.size ?? 0) > 0);
    const modeOf = (chain: DomainChain) =>
      (wordOf(replica, chain, localId(replica.self)).get("mode")?.value as AgreementMode | undefined) ?? "none";
    const agreed = chains.find((chain) => modeOf(chain) !== "none");
    if (agreed !== undefined) return { chain: agreed, agreement: modeOf(agreed), why: "" };
    if (chains.length === 1) return { chain: chains[0], agreement: "none", why: "" };
    const why =
      chains.length === 0
        ? "no such domain is shared with this cloud"
        : "several share it, and this cloud accepted none";
    return { chain: undefined, agreement: "none", why };
  }
}
