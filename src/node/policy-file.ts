// The policy file that lets a service user do in some domains what a node needs there, and nothing else: oslo.policy's YAML,
// for Keystone's policy.d. A role of its own, and not `manager`, which may also make users and give roles.
// Each rule here replaces Keystone's own of that name, so it says first what that one allows (run against 22, 27 and 30).
export type PolicyOptions = {
  readonly role: string;
  /** Keystone's major version, 22 to 30. */
  readonly release: number;
  /** IDs of the domains; empty for every domain on which a user has the role. */
  readonly domains: readonly string[];
};

export const POLICY_ROLE = "keymesh";
export const POLICY_RELEASES = { least: 22, most: 30, usual: 27 } as const;
/** From 26 (2024.2) on Keystone lets a domain's manager change its projects: its rules must go on allowing that. */
const MANAGER_SINCE = 26;
const IN_DOMAIN = "domain_id:%(target.project.domain_id)s";
const ADMIN = "rule:admin_required";
const SYSTEM_READER = "(role:reader and system_scope:all)";
/**
 * Of a project that isn't there Keystone knows no target, and would answer 403. A node must be told 404: a project that it
 * can't see is not one that is gone.
 */
const IS_ABSENT = "not True:%(target.project.is_domain)s and not False:%(target.project.is_domain)s";

/** Rule by rule, in the order in which the file has them. */
export function policyRules({ role, release, domains }: PolicyOptions): ReadonlyMap<string, string> {
  const only = domains.length === 0 ? "" : ` and (${domains.map((id) => `domain_id:${id}`).join(" or ")})`;
  const ours = `role:${role}${only}`;
  const inOurs = `(${ours} and ${IN_DOMAIN})`;
  const managers = release >= MANAGER_SINCE ? ` or (role:manager and ${IN_DOMAIN})` : "";
  const writers = `${ADMIN}${managers} or ${inOurs}`;
  const isDomain = "True:%(target.project.is_domain)s";
  return new Map([
    ["keymesh:explicit_project_id", `(role:admin and system_scope:all) or ${inOurs}`],
    ["identity:create_project", `${ADMIN}${managers} or (${ours} and ${IN_DOMAIN} and not ${isDomain})`],
    ["identity:update_project", writers],
    ["identity:delete_project", writers],
    [
      "identity:get_project",
      [
        ADMIN,
        SYSTEM_READER,
        `(role:reader and ${IN_DOMAIN})`,
        "project_id:%(target.project.id)s",
        inOurs,
        `(${ours} and domain_id:%(target.project.id)s)`,
        `(${ours} and ${IS_ABSENT})`,
      ].join(" or "),
    ],
    [
      "identity:list_projects",
      `${ADMIN} or ${SYSTEM_READER} or (role:reader and domain_id:%(target.domain_id)s) or (${ours} and domain_id:%(target.domain_id)s)`,
    ],
  ]);
}

/** The file as it is to stand in policy.d, with how to use it. */
export function policyFile(options: PolicyOptions): string {
  const { role, release, domains } = options;
  const named = domains.length === 0 ? ["DOMAIN-ID"] : domains;
  const grants = named.map(
    (id) => `#      openstack role add --user keymesh --user-domain Default --domain ${id} ${role}`,
  );
  const rules = [...policyRules(options)].map(([name, rule]) => `"${name}": "${rule}"`);
  return `# keymesh in Keystone ${release}: what role ${role} may do ${domains.length === 0 ? "in each domain on which it is given" : `in ${domains.length} domain${domains.length === 1 ? "" : "s"}`}, and nothing elsewhere.
# Printed by keymesh keystone policy. Each rule replaces this cloud's own of that name: where yours says more than
# Keystone's default, add its part here.
#
#   1. As policy.d/keymesh.yaml in Keystone's configuration folder, or wherever [oslo_policy] policy_dirs points.
#      Keystone reads it within a second, without a restart. The driver plugin reads it too.
#   2. A user of its own, with the role on these domains and nowhere else:
#      openstack role create ${role}
#      openstack user create --domain Default --password-prompt keymesh
${grants.join("\n")}
#   3. In clouds.yaml, instead of system_scope:  domain_id: ${named[0]}
#      For several domains also in keymesh.yaml, under keystone:  domains: [${named.join(", ")}]
#   4. keymesh keystone check
#
# Such a user makes no domain and changes none. One that another cloud shares is made here by an admin, with its ID,
# before keymesh domain accept (not with explicit_domain_id, which breaks every list of domains in Keystone 27):
#      curl -H "X-Auth-Token: $(openstack token issue -f value -c id)" -H 'Content-Type: application/json' \\
#        -d '{"project":{"name":"NAME","is_domain":true,"explicit_project_id":"DOMAIN-ID"}}' AUTH-URL/v3/projects
${rules.join("\n")}
`;
}
