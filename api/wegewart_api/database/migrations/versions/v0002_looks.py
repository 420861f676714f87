"""Looks of passes at defects, the map's frame, and a ticket's size: what merging and proposals stand on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
ADDED = {  # column: its comment
    "map_lat": "place in the frame that drives are aligned to (defects/state.py)",
    "map_lon": None,
    "relative_ee_m2": "how well the place is known within that frame",
    "relative_en_m2": None,
    "relative_nn_m2": None,
    "frame_ee_m2": "how well that frame is known there, shared by neighbours",
    "frame_en_m2": None,
    "frame_nn_m2": None,
}


def upgrade() -> None:
    """Add; nothing is removed or filled: no defect was made before."""
    for name, comment in ADDED.items():
        op.add_column("defect", sa.Column(name, sa.Float(53), comment=comment))
    size = "m or m² by class, when it was proposed: has it grown since?"
    op.add_column("ticket", sa.Column("size", sa.Float(53), comment=size))
    op.create_table(
        "defect_look",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("defect_id", sa.Uuid(), nullable=False),
        sa.Column("drive_id", sa.Uuid(), nullable=False),
        sa.Column("bundle_sha256", sa.String(64), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column(
            "seen", sa.Boolean(), nullable=False, comment="false: looked at the place and saw no damage"
        ),
        sa.Column(
            "offset_east_m", sa.Float(53), nullable=False, comment="of the drive against the map, there"
        ),
        sa.Column("offset_north_m", sa.Float(53), nullable=False),
        sa.Column(
            "offset_ee_m2",
            sa.Float(53),
            nullable=False,
            comment="what remains unknown of it; 0 if it is the map",
        ),
        sa.Column("offset_en_m2", sa.Float(53), nullable=False),
        sa.Column("offset_nn_m2", sa.Float(53), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "defect_id"], ["defect.tenant_id", "defect.id"], name="fk_defect_look_defect"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "drive_id", "bundle_sha256"],
            ["drive_pass.tenant_id", "drive_pass.drive_id", "drive_pass.bundle_sha256"],
            name="fk_defect_look_drive_pass",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "defect_id", "drive_id", "bundle_sha256", name="pk_defect_look"),
    )
    op.create_index(
        "ix_defect_look_tenant_id_drive_id_bundle_sha256",
        "defect_look",
        ["tenant_id", "drive_id", "bundle_sha256"],
    )
