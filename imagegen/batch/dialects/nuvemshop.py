"""Nuvemshop's and Tiendanube's product spreadsheet, in Portuguese and in Spanish, with semicolons.

Rows that continue a product repeat its URL identifier and leave the name blank. The spreadsheet has no column
for pictures: the shop takes those by hand or through an app.
"""

from __future__ import annotations

from imagegen.batch.dialects.dialect import Dialect, Images, numbered
from imagegen.batch.dialects.plain import OWN

NUVEMSHOP = Dialect(
    name="nuvemshop",
    columns={
        "handle": ("Identificador URL", "Identificador de URL"),
        "title": ("Nome", "Nombre"),
        "description": ("Descrição", "Descripción"),
        "brand": ("Marca",),
        "type": ("Categorias", "Categorías"),
        "tags": ("Tags",),
        "sku": ("SKU",),
        "image": ("Imagem", "Imagens", "Imagen", "Imágenes", "URL da imagem", "URL de la imagen"),
        **numbered("option#_name", "Nome da variação #", "Nombre de propiedad #"),
        **numbered("option#_value", "Valor da variação #", "Valor de propiedad #"),
        **{name: (name,) for name in OWN},
    },
    required=("handle", "title"),
    key=("handle", "title"),
    group="handle",
    template="{title}, {color}, {summary}",
    images=Images.LIST,
)
