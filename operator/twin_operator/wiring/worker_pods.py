"""What the installation says of the Pods of workers, and what it allows the templates of pools to say."""

from twin_operator.services.pools.manifest import WorkerDefaults
from twin_operator.services.pools.template_constraints import Named, TemplateAllowance
from twin_operator.settings import Settings


def worker_defaults(settings: Settings) -> WorkerDefaults:
    """Return what every worker Pod has in common."""
    return WorkerDefaults(
        image=settings.worker_image,
        pull_policy=settings.worker_image_pull_policy,
        service_account=settings.worker_service_account,
        env=settings.worker_env,
        metrics_port=settings.metrics_port,
        template=settings.worker_template,
    )


def template_allowance(settings: Settings) -> TemplateAllowance:
    """Return what the installation allows the templates of pools."""
    allowed = settings.templates_allowed
    return TemplateAllowance(
        worker_account=settings.worker_service_account,
        worker_image=settings.worker_image,
        names={
            Named.SERVICE_ACCOUNT: allowed.service_accounts,
            Named.SECRET: allowed.secrets,
            Named.CONFIG_MAP: allowed.config_maps,
            Named.CLAIM: allowed.persistent_volume_claims,
        },
        images=allowed.images,
        data_volume=allowed.data_volume,
        data_read_only=allowed.data_read_only,
    )
