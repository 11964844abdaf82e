"""The release control of a code location's lakehouse and registry."""

from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.tracking import TrackingResource


def release_control(lakehouse: LakehouseResource, tracking: TrackingResource) -> ReleaseControl:
    """Return what says and changes what is released."""
    return ReleaseControl(lakehouse.tables_uri, tracking.tracking_uri, lakehouse.storage_options)
