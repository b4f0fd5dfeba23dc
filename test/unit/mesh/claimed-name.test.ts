import { describe, expect, it } from "vitest";
import { CLAIM_BYTES_MAX, CLAIMS_MAX, CLOUD_NAME_LENGTH_MAX } from "../../../src/core/limits.ts";
import { Claims, claimBytes, claimedName } from "../../../src/mesh/claimed-name.ts";

describe("a name claimed in the handshake", () => {
  it("is read back, among whatever else stands there", () => {
    for (const name of ["cloud-b", "Größe 東京", "x".repeat(CLOUD_NAME_LENGTH_MAX)])
      expect(claimedName([Buffer.from("something else"), claimBytes(name)])).toBe(name);
    expect(claimBytes("東".repeat(CLOUD_NAME_LENGTH_MAX)).length).toBeLessThanOrEqual(CLAIM_BYTES_MAX);
  });

  it("is nothing if it is blank, too long, or not there", () => {
    expect(claimedName([])).toBeUndefined();
    for (const name of ["", "  ", "x".repeat(CLOUD_NAME_LENGTH_MAX + 1), "x".repeat(10_000)])
      expect(claimedName([claimBytes(name)])).toBeUndefined();
    expect(claimedName([claimBytes("a").subarray(1)])).toBeUndefined();
  });
});

describe("claims", () => {
  it("are taken once, and bounded: the oldest goes first", () => {
    const claims = new Claims();
    for (let number = 0; number <= CLAIMS_MAX; number += 1) claims.note(`peer ${number}`, `cloud ${number}`);
    expect(claims.take("peer 0")).toBeUndefined();
    expect(claims.take("peer 1")).toBe("cloud 1");
    expect(claims.take("peer 1")).toBeUndefined();
    claims.note("peer 2", "renamed");
    claims.note("late", "late");
    claims.note("later", "later");
    expect([claims.take("peer 2"), claims.take("peer 3")]).toEqual(["renamed", undefined]);
  });
});
