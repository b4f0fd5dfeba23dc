// What Keystone's API demands of a new project, for whoever makes one past the API: SQL checks none of it, and a row
// that breaks a rule breaks lists, updates and deletes later. Pure; what the database can't hold it says itself.
import {
  KEYSTONE_BODY_BYTES_MAX,
  PROJECT_DEPTH_MAX,
  PROJECT_NAME_LENGTH_MAX,
  PROJECT_TAG_LENGTH_MAX,
  PROJECT_TAGS_MAX,
} from "./limits.ts";
import { trimName } from "./names.ts";
import { parseKeystoneId } from "./set-name.ts";

export type NewProject = {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly enabled: boolean;
  readonly tags: readonly string[];
  readonly domainId: string;
  readonly parentId: string;
};
/** A project or domain that a new project may stand under. */
export type Place = {
  readonly id: string;
  readonly isDomain: boolean;
  readonly domainId: string | null;
  readonly parentId: string | null;
  readonly enabled: boolean;
};
/** The codes are those of Keystone's own refusals: 400, 403, 413. */
export type CreationProblem = { readonly code: "BAD_REQUEST" | "FORBIDDEN" | "TOO_LARGE"; readonly why: string };

/** What is wrong with the values of a new project by themselves; undefined if nothing is. Tags of one spelling are the database's to refuse. */
export function valuesProblem(creation: Omit<NewProject, "domainId" | "parentId">): CreationProblem | undefined {
  const { id, name, description, tags } = creation;
  const bad = (why: string): CreationProblem => ({ code: "BAD_REQUEST", why });
  if (parseKeystoneId(id) === undefined) return bad("its ID is not 32 lower-case hex digits");
  if (trimName(name) === "") return bad("its name is blank");
  if ([...name].length > PROJECT_NAME_LENGTH_MAX)
    return bad(`its name is longer than ${PROJECT_NAME_LENGTH_MAX} characters`);
  if (tags.length > PROJECT_TAGS_MAX) return bad(`it has more than ${PROJECT_TAGS_MAX} tags`);
  if (new Set(tags).size !== tags.length) return bad("it has one tag twice");
  for (const tag of tags) {
    if (tag === "") return bad("it has an empty tag");
    if ([...tag].length > PROJECT_TAG_LENGTH_MAX)
      return bad(`it has a tag longer than ${PROJECT_TAG_LENGTH_MAX} characters`);
    if (/[,/]/.test(tag)) return bad("it has a tag with a comma or a slash");
  }
  const bytes = new TextEncoder().encode(JSON.stringify({ name, description, tags })).length;
  if (bytes > KEYSTONE_BODY_BYTES_MAX)
    return { code: "TOO_LARGE", why: `it has ${bytes} bytes, and Keystone takes ${KEYSTONE_BODY_BYTES_MAX}` };
  return undefined;
}

/**
 * What is wrong with the place of a new project; undefined if nothing is. `find` knows every project and domain above
 * it. Beyond the API's rules it takes a disabled child under a disabled parent, which Keystone holds well, and any child
 * in a disabled domain: disabling a domain leaves enabled projects in it too.
 */
export function placeProblem(
  creation: Pick<NewProject, "id" | "enabled" | "domainId" | "parentId">,
  find: (id: string) => Place | undefined,
): CreationProblem | undefined {
  const bad = (why: string): CreationProblem => ({ code: "BAD_REQUEST", why });
  const { domainId, parentId, enabled } = creation;
  if (find(domainId)?.isDomain !== true) return bad(`its domain ${domainId} is not in this Keystone`);
  let depth = 1;
  for (let above = find(parentId); above?.id !== domainId; above = find(above.parentId ?? "")) {
    if (above === undefined) return bad(`its parent ${parentId} is not in this Keystone`);
    if (above.isDomain || above.domainId !== domainId) return bad(`its parent ${parentId} is not of its domain`);
    if (!above.enabled && enabled)
      return { code: "FORBIDDEN", why: `it would be enabled under ${above.id}, which is disabled` };
    depth += 1;
    if (depth > PROJECT_DEPTH_MAX)
      return { code: "FORBIDDEN", why: `it would stand deeper than ${PROJECT_DEPTH_MAX} levels` };
  }
  return undefined;
}
