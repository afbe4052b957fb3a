"""One leader by a Lease; who loses it stops at once."""

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from kubernetes.aio.client import ApiClient, Configuration, CoordinationV1Api, V1Lease, V1ObjectMeta
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

logger = logging.getLogger(__name__)

LEASE_SECONDS: Final = 15  # another takes over this long after the last renewal
RENEW_SECONDS: Final = 10  # the leader gives up when it could not renew for this long
RETRY_SECONDS: Final = 2

Work = Callable[[], Coroutine[Any, Any, None]]


class Lock(LeaseLock):
    """The client's lock, whose own `create` sends a query parameter that its generated API refuses."""

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        """Create the Lease; return whether this process was the first."""
        body = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        try:
            await self.api_instance.create_namespaced_lease(namespace, body)
        except ApiException as error:
            logger.warning("The Lease could not be created: %s", error.reason)
            return False
        return True


@dataclass(frozen=True)
class LeaderLease:
    """Runs work while this process holds the Lease.

    Args:
        configuration: how to reach the API server.
        name: of the Lease.
        namespace: of the Lease.
        identity: of this process: the Pod's name, so that a restarted container goes on at once.
    """

    configuration: Configuration
    name: str
    namespace: str
    identity: str

    async def lead(self, work: Work, lost: Work) -> None:
        """Wait for the Lease, then run `work`; call `lost` and return when the Lease is gone."""
        async with ApiClient(self.configuration) as client:
            lock = Lock(self.name, self.namespace, self.identity, client)
            config = Config(lock, LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS, work, lost)
            await LeaderElection(config).run()

    async def release(self) -> None:
        """Give the Lease back if it is still ours."""
        async with ApiClient(self.configuration) as client:
            api = CoordinationV1Api(client)
            lease = await api.read_namespaced_lease(self.name, self.namespace)
            if lease.spec is not None and lease.spec.holder_identity == self.identity:
                lease.spec.holder_identity = None
                await api.replace_namespaced_lease(self.name, self.namespace, lease)
