// What an operator sees of holds: the list, and one of them object by object.

export type HoldView = {
  readonly id: string;
  readonly kind: string;
  readonly what: string;
  readonly why: string;
  readonly count: number;
  readonly since: number;
  readonly objects: readonly string[];
};

/** One field of one object: what stands now, and what would after an approval. null stands for nothing. */
export type HoldChangeView = { readonly field: string; readonly from: unknown; readonly to: unknown };

/** One object of a hold, and what an approval does with it. */
export type HoldItemView = {
  /** The hold that it belongs to: several are decided together after an absence. */
  readonly hold: string;
  readonly id: string;
  readonly kind: "project" | "domain" | "canary";
  readonly name: string | null;
  readonly domainId: string | null;
  readonly domain: string | null;
  /** The first three happen in this Keystone. The next three are signed, as this cloud's word to all. `replaced`: it is done. */
  readonly approve:
    | "delete"
    | "create"
    | "rename"
    | "edit"
    | "createForAll"
    | "deleteForAll"
    | "optOut"
    | "takeOver"
    | "replaced";
  readonly changes: readonly HoldChangeView[];
  /** Who asked, by peer ID and as people call it; null where it happened in this Keystone, and nobody can tell by whom. */
  readonly by: string | null;
  readonly byName: string | null;
  /** When it was signed, or found here. Milliseconds since the Unix epoch. */
  readonly atMs: number;
};

export type HoldDetailView = HoldView & {
  readonly items: readonly HoldItemView[];
  /** Objects that are not listed. */
  readonly leftOut: number;
  /** Why some of it can't be told now; null if all is. */
  readonly trouble: string | null;
};

export interface HoldControl {
  holds(): Promise<HoldView[]>;
  /** Lists what an approval would do, object by object. Errors: UNKNOWN_HOLD. */
  showHold(options: { id: string }): Promise<HoldDetailView>;
  decideHold(options: {
    id: string;
    decision: "approve" | "reject";
  }): Promise<{ id: string; decision: "approve" | "reject" }>;
}
