"""Runs revisions on the connection tracker hands over, or on the ledger named by TRACKER_DB."""

import os

from alembic import context

from tracker.store.schema import metadata


def run(connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
        compare_type=True,
    )
    context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    from tracker.store.address import parse_address
    from tracker.store.connection import database
    from tracker.store.migrate import exclusive

    place = context.get_x_argument(as_dictionary=True).get("db") or os.environ.get("TRACKER_DB")
    with exclusive(database(parse_address(place), "full")) as opened:
        run(opened)
