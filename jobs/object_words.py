"""What is said of an object store, by whose it is: a vault's row is an operator's to mend, a source is its person's own. Pure.

Fields: {where} the service, {name} how the place is called, {bucket}, {path}, {region}, {code} and {reason} of the service.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ObjectWords:
    """One sentence for each thing that a service, or the way to it, can answer."""

    no_endpoint: str
    no_bucket: str
    bad_bucket: str
    gone: str
    wrong_key: str
    wrong_region: str
    denied: str
    busy: str
    changed: str
    refused: str
    certificate: str
    silent: str


OF_A_VAULT = ObjectWords(
    no_endpoint="The endpoint {where} or the region {region} can't be meant: {reason}",
    no_bucket="There is no bucket '{bucket}' at {where} for {name}. Ask an operator.",
    bad_bucket="The bucket '{bucket}' of {name} can't be a bucket's name. Ask an operator to set the right one.",
    gone="There is no file '{path}' here. It may have been moved or deleted.",
    wrong_key="{where} does not know the access key of {name}. Ask an operator to set it anew.",
    wrong_region="The bucket '{bucket}' of {name} is in another region. Ask an operator to set it.",
    denied="{where} denies this to the key of {name}, in the bucket '{bucket}'. Ask an operator to allow it.",
    busy="The object storage of {name} at {where} is busy or at fault ({code}). Try again later.",
    changed="'{path}' in {name} was changed while it was read. Try again.",
    refused="{where} refuses this for {name} ({code}). Ask an operator.",
    certificate="The object storage of {name} at {where} shows a certificate that is not trusted here. Ask an operator.",
    silent="The object storage of {name} at {where} does not answer. Try again later, or ask an operator.",
)
OF_A_BUCKET = ObjectWords(
    no_endpoint="The endpoint {where} or the region {region} can't be meant: {reason}",
    no_bucket="There is no bucket '{bucket}' at {where}. Check its name, its endpoint and its region.",
    bad_bucket="'{bucket}' can't be the name of a bucket. Check it.",
    gone="There is no '{path}' in {name}. It may have been moved or deleted; check the path.",
    wrong_key="{where} does not know this access key, or its secret is another one. Check the secret.",
    wrong_region="The bucket '{bucket}' is not in the region '{region}'. Set the region that it is in.",
    denied="{where} refuses this for {name} (access denied). Check the secret, and what its key may do.",
    busy="{where} is busy or at fault ({code}). Try again later.",
    changed="'{path}' in {name} was changed while it was read. Try again.",
    refused="{where} refuses this for {name} ({code}). Check bucket, region and secret.",
    certificate="{where} shows a certificate that is not trusted here. Check the endpoint, or ask an operator.",
    silent="{where} does not answer. Check the endpoint, or try again later.",
)
