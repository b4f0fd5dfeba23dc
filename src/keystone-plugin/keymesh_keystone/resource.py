"""[resource] driver = keymesh: the stock SQL driver, and two keys that a project's body may hold.

POST /v3/projects honours explicit_project_id, PATCH /v3/projects/ID honours keymesh_expect.

A project has the same ID in every cloud, but Keystone's API gives each new project a random one. A driver
is the one thing that an operator can name in keystone.conf and that stands inside the process, so loading
this one puts a hook where the API chooses the ID. Everything before and after it (policy, validation,
limits, cache, notifications) stays Keystone's own. An ID that were swapped further down, inside
create_project, would be cached and announced wrongly.
"""
import http.client
import inspect
import re
from typing import Any

from keystone.api import projects
from keystone.common import policies
from keystone.common import sql as common_sql
import keystone.conf
from keystone import exception
from keystone.resource.backends import sql
from keystone.resource.backends import sql_model
from oslo_policy import policy

KEY = 'explicit_project_id'
EXPECT = 'keymesh_expect'
EXPECTED_FIELDS = ('name', 'description', 'enabled', 'tags')
ID_FORMAT = re.compile(r'[0-9a-f]{32}')
RULE = policy.RuleDefault(
    name='keymesh:explicit_project_id',
    check_str='role:admin and system_scope:all',
    description='Choose the ID of a new project or domain.')

# An enforcer of our own, because Keystone's refuses rules it did not know when it was imported. It reads
# the same policy files, so an operator changes the rule above like any other.
_enforcer = policy.Enforcer(keystone.conf.CONF)
_enforcer.suppress_deprecation_warnings = True  # Keystone gives them already.
_enforcer.register_defaults(policies.base.list_rules())  # For rules that say rule:admin_required.
_enforcer.register_default(RULE)


class ChangedMeanwhile(exception.Error):
    """No exception.Conflict, which Keystone takes for a taken name, and answers in words of that."""

    message_format = 'Nothing was changed. %(expect)s: %(field)s of %(id)s is not what was expected.'
    code = int(http.client.CONFLICT)
    title = http.client.responses[http.client.CONFLICT]


class Resource(sql.Resource):
    """The stock driver; making one installs the hook, and updates compare before they set."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        install_hook()

    def create_project(self, project_id: str, project: dict[str, Any]) -> dict[str, Any]:
        # There is nothing to compare with, and Keystone would store the key in the project's `extra`, for ever.
        return super().create_project(project_id, {key: project[key] for key in project if key != EXPECT})

    @common_sql.handle_conflicts(conflict_type='project')
    def update_project(self, project_id: str, project: dict[str, Any]) -> dict[str, Any]:
        """Updates a project; with keymesh_expect only if its fields still have these values, else 409.

        Every update locks the row first, without the key too: two that change tags alone would not meet at
        the row otherwise. The lock is an UPDATE of nothing, because SQLite ignores SELECT ... FOR UPDATE,
        and it comes before the first read, so that what is compared is what the other writer left.
        """
        changes = {key: value for key, value in project.items() if key != EXPECT}
        with common_sql.session_for_write() as session:
            table = sql_model.Project
            session.query(table).filter_by(id=project_id).update(
                {table.id: table.id}, synchronize_session=False)
            if EXPECT in project:
                compare(project_id, project[EXPECT], self._get_project(session, project_id).to_dict())
            # The stock driver's own session_for_write joins this transaction.
            return super().update_project(project_id, changes)


def compare(project_id: str, expected: Any, held: dict[str, Any]) -> None:
    """Raises a conflict unless a project holds what is expected of it."""
    if not isinstance(expected, dict) or not set(expected) <= set(EXPECTED_FIELDS):
        raise exception.ValidationError(
            message='%s must be an object of %s.' % (EXPECT, ', '.join(EXPECTED_FIELDS)))
    for field, value in expected.items():
        if not is_same(field, value, held.get(field)):
            raise ChangedMeanwhile(expect=EXPECT, field=field, id=project_id)


def is_same(field: str, expected: Any, held: Any) -> bool:
    """Compares as a client sees it: NULL for disabled, tags in any order."""
    if field == 'enabled':
        return expected is bool(held)
    if field == 'tags':
        is_list = isinstance(expected, list) and all(isinstance(tag, str) for tag in expected)
        return is_list and sorted(expected) == sorted(held or [])
    return expected == held


def find_hook_class() -> type:
    """Returns the class whose POST chooses a project's ID: its name changed in 2025.1, its code did not.

    Anything but one such class means a Keystone that nobody has tested this with. It must not start: a
    hook in the wrong place does nothing, and every project would silently get a random ID.
    """
    found = [cls for cls in vars(projects).values()
             if inspect.isclass(cls) and 'post' in vars(cls)
             and '_assign_unique_id' in inspect.unwrap(vars(cls)['post']).__code__.co_names]
    if len(found) != 1:
        raise RuntimeError(
            'keymesh does not know this version of Keystone: expected one class in keystone.api.projects '
            'whose post() calls _assign_unique_id(), found %s. Use a version of keymesh that supports it, '
            'or set [resource] driver = sql.' % [cls.__name__ for cls in found])
    return found[0]


def install_hook() -> None:
    """Puts the hook in place, once per process however many drivers are made."""
    cls = find_hook_class()
    stock = cls._assign_unique_id
    if getattr(stock, 'is_keymesh_hook', False):
        return

    def assign_id(resource: Any, ref: dict[str, Any]) -> dict[str, Any]:
        if KEY not in ref:
            return stock(ref)
        # Keystone has already allowed this caller to create the project; choosing its ID takes more.
        _enforcer.enforce(
            RULE.name, {'target.project.%s' % key: value for key, value in ref.items()},
            resource.oslo_context, do_raise=True, exc=exception.ForbiddenAction, action=RULE.name)
        # Null is refused as well: who sends the key must never end up with a random ID.
        if not isinstance(ref[KEY], str) or not ID_FORMAT.fullmatch(ref[KEY]):
            raise exception.ValidationError(
                # Names the other key too: by that a client sees that this plugin knows it.
                message='%s must be 32 lower-case hexadecimal digits. Updates may hold %s.' % (KEY, EXPECT))
        # Without the key: Keystone stores what it does not know in the project's `extra`, for ever.
        chosen = {key: value for key, value in ref.items() if key != KEY}
        chosen['id'] = ref[KEY]
        return chosen

    assign_id.is_keymesh_hook = True
    cls._assign_unique_id = assign_id
