"""The kinds of catalogue files: one module a shop system, each a table of the headers it writes.

The order matters where one dialect's columns are among another's: the first that recognises a header has it.
"""

from imagegen.batch.dialects.dialect import Dialect, fold
from imagegen.batch.dialects.feed import FEED
from imagegen.batch.dialects.magento import MAGENTO
from imagegen.batch.dialects.nuvemshop import NUVEMSHOP
from imagegen.batch.dialects.plain import PLAIN
from imagegen.batch.dialects.shopify import SHOPIFY, SHOPIFY_LEGACY
from imagegen.batch.dialects.vendure import VENDURE
from imagegen.batch.dialects.woocommerce import WOOCOMMERCE

DIALECTS = (SHOPIFY, SHOPIFY_LEGACY, NUVEMSHOP, WOOCOMMERCE, VENDURE, FEED, MAGENTO, PLAIN)

__all__ = ["DIALECTS", "PLAIN", "Dialect", "fold"]
