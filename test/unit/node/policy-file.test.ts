// The printed policy: a YAML file whose rules name the role, and the domains where some are given. That Keystone reads them
// so is shown by test/integration/least-privilege.test.ts.
import { expect, it } from "vitest";
import { parse } from "yaml";
import { policyFile, policyRules } from "../../../src/node/policy-file.ts";

const ID = "8d1e0c5b7a7f4c1c9f0e2a3b4c5d6e7f";

it.each([22, 27, 30])("is YAML of the rules, and every rule keeps what Keystone %i allows its admins", (release) => {
  const options = { role: "keymesh", release, domains: [] };
  const rules = policyRules(options);
  expect(parse(policyFile(options))).toEqual(Object.fromEntries(rules));
  for (const [name, rule] of rules)
    expect(rule, name).toMatch(
      name.startsWith("keymesh:") ? /^\(role:admin and system_scope:all\)/ : /^rule:admin_required/,
    );
  const managers = [...rules.values()].filter((rule) => rule.includes("role:manager")).length;
  expect(managers).toBe(release < 26 ? 0 : 3);
});

it("gives the role nothing without the token's domain, or without one of those named", () => {
  const clauses = (domains: readonly string[]) =>
    [...policyRules({ role: "keymesh", release: 27, domains }).values()].flatMap((rule) =>
      rule.split(" or (").filter((clause) => clause.includes("role:keymesh")),
    );
  expect(clauses([]).length).toBeGreaterThan(7);
  for (const clause of clauses([])) expect(clause).toMatch(/domain_id:%\(target|is_domain\)s/);
  for (const clause of clauses([ID])) expect(clause).toContain(`domain_id:${ID}`);
});
