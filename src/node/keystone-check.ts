// What a node will need of its Keystone, tried one by one, with what is missing and the fix. Every write is taken back.
// Needs no running node, and disturbs none: what it makes is named so that a node leaves it alone (own-projects.ts).
import { CANARY_KEYS, CANARY_NAME, openCanary } from "../core/canary.ts";
import { type CreationWay, type KeystoneApi, KeystoneError, type KeystoneScope } from "../keystone/api.ts";
import type { NotificationSource } from "../keystone/notifications.ts";
import { listen } from "./check-ear.ts";
import { checkName } from "./own-projects.ts";
import type { World } from "./world.ts";

export type Finding = {
  readonly what: string;
  /** `skipped`: something before it is missing. */
  readonly is: "ok" | "missing" | "skipped";
  /** What was found, or what Keystone said. */
  readonly detail: string;
  /** What to do; null if nothing. */
  readonly fix: string | null;
};
export type CheckOptions = {
  readonly api: KeystoneApi;
  /** 32 fresh lower-case hex digits. */
  readonly newId: () => string;
  readonly after: World["after"];
  /** What Keystone's database is for, where the config names one. */
  readonly database?: { readonly scan: boolean; readonly create: boolean };
  /** Where Keystone's events are to come from, if the config says so. Started and stopped here. */
  readonly notifications?: NotificationSource;
};

const POLICY_FIX = "install what keymesh keystone policy prints, and give our user its role on that domain";
const ADMIN_FIX =
  "give our user the role admin at system scope, or log in to some domains alone: keymesh keystone policy";
const DEFAULT_DOMAIN = "default"; // Every Keystone has it, and it is never shared.

export async function checkKeystone(options: CheckOptions): Promise<readonly Finding[]> {
  const { api } = options;
  const reached = await attempt("reach", () => api.version(), {
    say: (version) => `Keystone's API ${version}`,
    fix: "check auth_url, cacert and verify, and that Keystone is up",
  });
  if (reached.value === undefined)
    return [reached.finding, ...["login", "list", "driver plugin", "write", "canary"].map((what) => skipped(what))];
  const login = await attempt("login", () => api.scope(), {
    say: scopeText,
    fix: "check user, password and scope, and that neither user nor domain is disabled",
  });
  const scope = login.value;
  if (scope === undefined)
    return [
      reached.finding,
      login.finding,
      ...["list", "driver plugin", "write", "canary"].map((what) => skipped(what)),
    ];
  const domains = scope.is === "all" ? [DEFAULT_DOMAIN] : scope.domains.map(({ id }) => id);
  const ear = options.notifications === undefined ? undefined : listen(options.notifications, options.after);
  try {
    const { finding: driver, ways } = await checkDriver(api);
    const findings = [reached.finding, login.finding, ...refusedDomains(scope)];
    for (const domainId of domains) findings.push(await checkList(api, scope, domainId));
    findings.push(await checkAbsent(options), driver, ...databaseFindings(options, ways));
    await ear?.isReady;
    const tried = new Set<string>();
    for (const domainId of domains)
      findings.push(
        driver.is === "ok" || scope.is === "all"
          ? await checkWrites(options, { scope, domainId, isChosen: driver.is === "ok", tried })
          : skipped(`write in domain ${domainId}`, "tried once the driver plugin is at work"),
      );
    if (scope.is === "all" && driver.is === "ok") findings.push(await checkDomains(options));
    findings.push(await checkCanary(api, domains[0] ?? DEFAULT_DOMAIN));
    if (ear !== undefined) findings.push(await ear.judge(tried));
    return findings;
  } finally {
    await options.notifications?.stop();
  }
}

function skipped(what: string, detail = ""): Finding {
  return { what, is: "skipped", detail, fix: null };
}

type Words<T> = { readonly say: (value: T) => string; readonly fix: string };

async function attempt<T>(
  what: string,
  act: () => Promise<T>,
  { say, fix }: Words<T>,
): Promise<{ readonly finding: Finding; readonly value: T | undefined }> {
  try {
    const value = await act();
    return { finding: { what, is: "ok", detail: say(value), fix: null }, value };
  } catch (error) {
    if (!(error instanceof KeystoneError)) throw error;
    return { finding: { what, is: "missing", detail: error.message, fix }, value: undefined };
  }
}

function scopeText(scope: KeystoneScope): string {
  if (scope.is === "all")
    return `sees all, by its role ${scope.roles.join(", ")} on ${scope.by === "system" ? "the system" : "a project"}`;
  return `sees ${scope.domains.map(({ id, roles }) => `domain ${id} (${roles.join(", ")})`).join(", ")}, and nothing else`;
}

function refusedDomains(scope: KeystoneScope): Finding[] {
  if (scope.is === "all") return [];
  return scope.refused.map(({ domain, why }) => ({
    what: `login for domain ${domain}`,
    is: "missing",
    detail: why,
    fix: "give our user its role on that domain, enable the domain, or take it out of keystone.domains",
  }));
}

async function checkList(api: KeystoneApi, scope: KeystoneScope, domainId: string): Promise<Finding> {
  const list = async () => {
    const projects = await api.listProjects(domainId);
    return { projects: projects.length, domains: (await api.listDomains()).length };
  };
  const { finding } = await attempt(`list of domain ${domainId}`, list, {
    say: ({ projects, domains }) => `to its end: ${projects} projects; ${domains} domains in sight`,
    fix: scope.is === "all" ? ADMIN_FIX : POLICY_FIX,
  });
  return finding.detail.includes("list_limit")
    ? { ...finding, fix: "remove list_limit from keystone.conf ([DEFAULT] and [resource])" }
    : finding;
}

/** Only a 404 tells that a project is gone. */
async function checkAbsent({ api, newId }: CheckOptions): Promise<Finding> {
  const { finding } = await attempt("404 for what is absent", () => api.getProject(newId()), {
    say: () => "a project that isn't there is told from one that we may not see",
    fix: POLICY_FIX,
  });
  return finding;
}

async function checkDriver(
  api: KeystoneApi,
): Promise<{ readonly finding: Finding; readonly ways: readonly CreationWay[] }> {
  const { finding, value } = await attempt("driver plugin", () => api.checkDriver(), {
    say: ({ detail }) => detail,
    fix: POLICY_FIX, // Refused before the plugin was asked.
  });
  const ways = value?.ways ?? [];
  if (value === undefined || value.explicitIds) return { finding, ways };
  const fix =
    "install the plugin as its README says, or let our user choose IDs: keymesh keystone policy; or let rows be inserted: keystone.database with create: true";
  return { finding: { ...finding, is: "missing", fix }, ways };
}

type Place = {
  readonly scope: KeystoneScope;
  readonly domainId: string;
  readonly isChosen: boolean;
  /** Told the IDs of what was made. */
  readonly tried: Set<string>;
};

/** Creates, changes, reads and deletes a project. What could not be deleted is named. */
async function checkWrites(
  { api, newId }: CheckOptions,
  { scope, domainId, isChosen, tried }: Place,
): Promise<Finding> {
  const wanted = newId();
  let left: string | undefined;
  const act = async () => {
    const place = { domainId, parentId: domainId, description: null, enabled: false, tags: ["keymesh"] };
    const made = await api.createProject({ ...(isChosen ? { id: wanted } : {}), name: checkName(wanted), ...place });
    left = made.id;
    tried.add(made.id);
    const tags = ["keymesh", "keymesh-check"];
    const after = await api.updateProject(made.id, { description: "changed", tags, enabled: false });
    if (after.description !== "changed" || after.tags.join() !== tags.join())
      throw new KeystoneError("BAD_ANSWER", "Keystone took a change and holds something else", { operation: "PATCH" });
    await api.deleteProject(made.id);
    left = undefined;
    if ((await api.getProject(made.id)) !== undefined)
      throw new KeystoneError("BAD_ANSWER", "Keystone took a delete and holds the project still", {
        operation: "DELETE",
      });
  };
  const what = `write in domain ${domainId}`;
  const id = isChosen ? "with an ID of our choice" : "without an ID of our choice";
  const { finding } = await attempt(what, act, {
    say: () => `a project ${id} was created, changed with its tags, and deleted`,
    fix: scope.is === "all" ? ADMIN_FIX : POLICY_FIX,
  });
  return left === undefined ? finding : cleanUp(api, left, finding);
}

/** A login that sees all makes the domains that it accepts. */
async function checkDomains({ api, newId }: CheckOptions): Promise<Finding> {
  const id = newId();
  let isLeft = false;
  const act = async () => {
    await api.createDomain({ id, name: checkName(id), description: null, enabled: false });
    isLeft = true;
    await api.deleteProject(id); // A disabled domain goes by the project's API too.
    isLeft = false;
  };
  const { finding } = await attempt("domains", act, {
    say: () => "a domain with an ID of our choice was created and deleted",
    fix: ADMIN_FIX,
  });
  return isLeft ? cleanUp(api, id, finding) : finding;
}

async function cleanUp(api: KeystoneApi, id: string, finding: Finding): Promise<Finding> {
  try {
    await api.deleteProject(id);
    return finding;
  } catch (error) {
    if (!(error instanceof KeystoneError)) throw error;
    return { ...finding, detail: `${finding.detail}. ${id} is still there: delete it by hand (${error.message})` };
  }
}

async function checkCanary(api: KeystoneApi, domainId: string): Promise<Finding> {
  const { finding } = await attempt("canary", () => api.findProjects({ name: CANARY_NAME, domainId }), {
    say: ([canary]) => {
      if (canary === undefined) return `none in domain ${domainId} yet: the node makes it with its first scan`;
      const marks = CANARY_KEYS.flatMap((key) => openCanary(canary.id, canary.extra[key]) ?? []);
      const [mark] = marks.sort((a, b) => b.generation - a.generation);
      return mark === undefined
        ? `${canary.id}, not raised yet`
        : `${canary.id}, raised ${mark.generation} times by ${mark.peerId}`;
    },
    fix: POLICY_FIX,
  });
  return finding;
}

/** What the lists and the probe before showed of Keystone's own database, where one is configured. */
function databaseFindings({ api, database }: CheckOptions, ways: readonly CreationWay[]): Finding[] {
  if (database === undefined) return [];
  const fix = "see keystone.database in keymesh.yaml: its URL, the user's rights, and that it is this Keystone's own";
  const finding = (what: string, works: boolean, detail: string): Finding => ({
    ...{ what, detail },
    ...(works ? { is: "ok", fix: null } : { is: "missing", fix }),
  });
  const read = api.scanWay?.();
  const insert = ways.find(({ way }) => way === "database");
  const isRead = read?.by === "database";
  return [
    ...(database.scan
      ? [finding("database", isRead, isRead ? "lists are read from it" : (read?.detail ?? "not read"))]
      : []),
    ...(database.create && insert !== undefined ? [finding("database creates", insert.works, insert.detail)] : []),
  ];
}
