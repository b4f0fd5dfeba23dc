// The shapes that field values have: counts, lists, sorted sets, maps. What each known field takes is kinds.ts's.
import type { FieldValue } from "./entry.ts";

export type FieldCheck = (value: FieldValue) => boolean;

export function isCount(value: FieldValue): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

export function isListOf(value: FieldValue, most: number, check: FieldCheck): boolean {
  return Array.isArray(value) && value.length <= most && value.every((item) => check(item as FieldValue));
}

/** Sets travel sorted and without doubles, so that one set has one spelling. */
export function isSortedSet(values: readonly string[]): boolean {
  return values.every((value, index) => index === 0 || (values[index - 1] as string) < value);
}

export function isMapOf(value: FieldValue, check: (key: string, item: FieldValue) => boolean): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.entries(value).every(([key, item]) => check(key, item as FieldValue))
  );
}

/** Whether a map holds at least these keys, each well; more may follow in later versions. */
export function isShape(value: FieldValue, shape: Readonly<Record<string, FieldCheck>>): boolean {
  if (!isMapOf(value, () => true)) return false;
  const map = value as { readonly [key: string]: FieldValue };
  return Object.entries(shape).every(([key, check]) => map[key] !== undefined && check(map[key]));
}
