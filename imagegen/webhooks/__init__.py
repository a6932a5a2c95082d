"""Telling other machines that a job has ended, after Standard Webhooks (standardwebhooks.com).

`endpoint` says who is told, `records` keeps endpoints and deliveries, `addresses` decides which machines may
be spoken to, `post` speaks to one, `deliver` tries until somebody listens.
"""

from imagegen.webhooks.endpoint import Delivery, DeliveryState, Endpoint

__all__ = ["Delivery", "DeliveryState", "Endpoint"]
