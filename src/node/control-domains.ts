// What the verbs about a domain's owner and signers take and answer: a part of control.ts, under the same rule that keys
// may be added, never renamed or removed.

import type { AgreementMode } from "../core/keystone-view.ts";
import type { Scope } from "../core/kinds.ts";

export type StampView = readonly [wallMs: number, counter: number];

export type ShareOptions = {
  readonly domain: string;
  readonly with?: readonly string[] | "everyone";
  readonly anew?: boolean;
  readonly confirmed?: boolean;
};
export type AcceptOptions = {
  readonly domain: string;
  readonly owner?: string;
  readonly mode?: AgreementMode;
  readonly name?: string;
  readonly replace?: boolean;
};
export type RevokeRequest = {
  readonly domain: string;
  readonly peerId: string;
  readonly scopes?: readonly Scope[];
  /** IDs of projects that the peer deleted and that are to live again. */
  readonly undoDeletes?: readonly string[];
  readonly confirmed?: boolean;
};

/** A project, or the domain itself, in an answer about a revoke. */
export type NamedView = { readonly id: string; readonly name: string };
/** What a revoke comes to. Lists hold at most REVOKE_LISTED_MAX; what is counted is the whole. */
export type RevokeView = {
  readonly id: string;
  readonly name: string;
  readonly peerId: string;
  readonly peerName: string;
  /** The scopes that are taken, and those that it keeps. */
  readonly taken: readonly Scope[];
  readonly left: readonly Scope[];
  /** What the signer said and what stays, as the owner's own word. */
  readonly stays: { readonly records: number; readonly fields: number };
  /** What changes by it: `after` is null where nothing is left beneath. */
  readonly goesCount: number;
  readonly goes: readonly (NamedView & {
    readonly kind: string;
    readonly field: string;
    readonly before: unknown;
    readonly after: unknown;
  })[];
  /** Deletes of the signer's that stay done. */
  readonly deletedCount: number;
  readonly deleted: readonly NamedView[];
  /** Deletes of the signer's that end: asked for, or not carried out here yet. */
  readonly undeletedCount: number;
  readonly undeleted: readonly NamedView[];
  /** Whether it was done; otherwise this is what would be. */
  readonly done: boolean;
};
/** What ending a share, or passing a domain on, comes to. */
export type LetGoView = {
  readonly id: string;
  readonly name: string;
  /** Who loses it, or who is to have it next. */
  readonly peers: readonly { readonly peerId: string; readonly name: string; readonly agreement: AgreementMode }[];
  /** Of those, who could not be told yet. */
  readonly untold: readonly string[];
  readonly projects: number;
  readonly done: boolean;
};
/** Who a peer is to a domain: the answer of GET /v1/signers/{peerId}?domain=ID. */
export type SignerView = {
  readonly peerId: string;
  readonly domainId: string;
  readonly member: boolean;
  /** Whether anything that it signs about this domain counts. */
  readonly maySign: boolean;
  readonly scopes: readonly Scope[];
  /** Since when each scope counts, as Unix milliseconds and counter; an owner has none. */
  readonly since: { readonly [scope: string]: StampView };
  /** The domain's present owner; null if this node knows no such domain, or several that it did not choose between. */
  readonly owner: string | null;
  /** Whether this cloud accepted, or shares, that domain. */
  readonly agreement: AgreementMode;
  readonly why: string;
};
