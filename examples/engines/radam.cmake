# Gives radam::radam: from an installed radam, or from a build in this repository (RADAM_BUILD: its release folder).
if(TARGET radam::radam)
  return()
endif()
if(RADAM_BUILD)
  add_library(radam::radam SHARED IMPORTED)
  set_target_properties(radam::radam PROPERTIES
    IMPORTED_LOCATION ${RADAM_BUILD}/libradam.so
    INTERFACE_INCLUDE_DIRECTORIES ${CMAKE_CURRENT_LIST_DIR}/../../include)
else()
  find_package(radam REQUIRED)
endif()
