// How much may come at once before an operator is asked: of this cloud, and of single domains where its operator said
// otherwise. What is left out has its default in limits.ts.
import {
  DELETES_PER_DAY_MAX,
  DELETES_PER_HOUR_MAX,
  GUARD_SHARE_LEAST,
  MISSING_AT_ONCE_MAX,
  SHARE_PERCENT_MAX,
} from "./limits.ts";

export type GuardLimits = {
  /** Deletes of one origin within an hour, and within a day, by their arrival here. */
  readonly deletesPerHourMax: number;
  readonly deletesPerDayMax: number;
  /** Projects of a domain that are gone from this Keystone in one scan. */
  readonly missingAtOnceMax: number;
  /** Percent of a domain's projects that one origin deletes within a day, or that are gone at once. 100 switches it off. */
  readonly sharePercentMax: number;
};
/** As an operator writes them down: for every domain, and for some by their IDs. */
export type Guards = Partial<GuardLimits> & {
  readonly domains?: Readonly<Record<string, Partial<GuardLimits>>>;
};

const DEFAULTS: GuardLimits = {
  deletesPerHourMax: DELETES_PER_HOUR_MAX,
  deletesPerDayMax: DELETES_PER_DAY_MAX,
  missingAtOnceMax: MISSING_AT_ONCE_MAX,
  sharePercentMax: SHARE_PERCENT_MAX,
};

export function guardLimits(guards: Guards | undefined, domainId: string): GuardLimits {
  const { domains = {}, ...all } = guards ?? {};
  return { ...DEFAULTS, ...all, ...domains[domainId] };
}

/** How many of a domain's projects a share of it is: of a small domain a few are never many. */
export function shareMax({ sharePercentMax }: GuardLimits, projects: number): number {
  if (sharePercentMax >= 100) return Number.POSITIVE_INFINITY;
  return Math.max(GUARD_SHARE_LEAST, Math.floor((projects * sharePercentMax) / 100));
}
