// Makes a project: through the API, or, where the API takes none (under a disabled project), by a row in the database.
import {
  type KeystoneApi,
  KeystoneError,
  type ProjectCreation,
  type ProjectObject,
  type WriteOptions,
} from "../keystone/api.ts";

/** Errors: as `createProject`; FORBIDDEN if a row is needed and the database takes none any more. */
export async function createProject(
  api: Pick<KeystoneApi, "createProject" | "createProjects">,
  creation: ProjectCreation,
  { insert = false, write }: { readonly insert?: boolean; readonly write?: WriteOptions },
): Promise<ProjectObject> {
  if (!insert) return api.createProject(creation, write);
  const operation = `insert project ${creation.id ?? ""}`;
  const [made] = (await api.createProjects?.([creation])) ?? [];
  if (made instanceof KeystoneError) throw made;
  if (made === undefined)
    throw new KeystoneError("FORBIDDEN", "its parent is disabled, and Keystone's database takes no rows from us now", {
      operation,
    });
  write?.onInserted?.();
  return made;
}
